// GeneralName (RFC 5280 section 4.2.1.6), read and written. SANs come from these bytes, never from text that some library
// printed. Text is kept exactly as encoded: what a DNS name or a URI may look like is for who relies on it.
import { DerReader, derMalformed } from "./der/reader.ts";
import { decodeAscii } from "./der/strings.ts";
import { tag } from "./der/tags.ts";
import { asciiBytes, derContext } from "./der/writer.ts";
import { readName } from "./name.ts";
import type { GeneralName } from "./types.ts";

const EMAIL = 1;
const DNS = 2;
const DIRECTORY = 4;
const URI = 6;
const IP = 7;
const HIGHEST_TAG = 8;

function ascii(contents: Uint8Array, what: string): string {
  const text = decodeAscii(contents);
  if (text === undefined) throw derMalformed(`${what} is not an IA5String (ASCII)`);
  return text;
}

/** One GeneralName; `ip` octets are as found, for the caller to judge their number. DER errors keep their code. */
export function readGeneralName(parent: DerReader, what: string): GeneralName {
  const identifier = parent.nextTag;
  switch (identifier) {
    case tag.implicit(EMAIL):
      return { kind: "email", value: ascii(parent.contents(identifier, what), what) };
    case tag.implicit(DNS):
      return { kind: "dns", value: ascii(parent.contents(identifier, what), what) };
    case tag.implicit(URI):
      return { kind: "uri", value: ascii(parent.contents(identifier, what), what) };
    case tag.implicit(IP):
      return { kind: "ip", bytes: parent.contents(identifier, what) };
    case tag.explicit(DIRECTORY): {
      const inner = parent.enter(identifier, what);
      const der = readName(inner, what);
      inner.end(what);
      return { kind: "directory", der };
    }
    default: {
      const der = parent.element(undefined, what);
      const number = identifier & 0x1f;
      if ((identifier & 0xc0) !== 0x80 || number > HIGHEST_TAG || number === EMAIL || number === DNS) {
        throw derMalformed(`${what} has an entry that is no GeneralName`);
      }
      if (number === DIRECTORY || number === URI || number === IP) {
        throw derMalformed(`${what} has an entry that is no GeneralName`);
      }
      return { kind: "other", tag: number, der };
    }
  }
}

/** GeneralNames of a subject alternative name: at least one, IP addresses of 4 or 16 octets. DER errors keep their code. */
export function readSubjectAltNames(value: Uint8Array): GeneralName[] {
  const what = "the subject alternative name";
  const outer = new DerReader(value);
  const reader = outer.enter(tag.sequence, what);
  outer.end(what);
  const names: GeneralName[] = [];
  do {
    const name = readGeneralName(reader, what);
    if (name.kind === "ip" && name.bytes.length !== 4 && name.bytes.length !== 16) {
      throw derMalformed(`${what} has an IP address of ${name.bytes.length} octets`);
    }
    names.push(name);
  } while (!reader.isDone);
  return names;
}

/** One GeneralName, DER. Text must be ASCII. */
export function encodeGeneralName(name: GeneralName): Uint8Array {
  switch (name.kind) {
    case "email":
      return derContext(EMAIL, asciiBytes(name.value), false);
    case "dns":
      return derContext(DNS, asciiBytes(name.value), false);
    case "uri":
      return derContext(URI, asciiBytes(name.value), false);
    case "ip":
      return derContext(IP, name.bytes, false);
    case "directory":
      return derContext(DIRECTORY, name.der, true);
    case "other":
      return name.der;
  }
}
