// Distinguished names (RFC 5280 section 4.1.2.4). A Name is carried as its DER and copied byte for byte; it is taken apart
// only to compare it and to show it to people.
import { bytesEqual, toHex } from "./bytes.ts";
import { DerReader } from "./der/reader.ts";
import { decodeString } from "./der/strings.ts";
import { tag } from "./der/tags.ts";
import { derOid, derSequence, derSet, derUtf8String } from "./der/writer.ts";
import { mapDerErrors } from "./errors.ts";
import { oid } from "./oids.ts";

/** One AttributeTypeAndValue. */
export interface NameAttribute {
  readonly oid: string;
  /** The value, whole. */
  readonly der: Uint8Array;
  /** The value as text, where it is of a string type and well formed. */
  readonly text: string | undefined;
}

/** Checks the structure of a Name under `parent` and returns it whole. DER errors keep their code. */
export function readName(parent: DerReader, what: string, identifier: number = tag.sequence): Uint8Array {
  const { reader, whole } = parent.enterWhole(identifier, what);
  while (!reader.isDone) {
    const rdn = reader.enter(tag.set, what);
    do {
      const attribute = rdn.enter(tag.sequence, what);
      attribute.oid(what);
      attribute.element(undefined, what);
      attribute.end(what);
    } while (!rdn.isDone);
  }
  return whole;
}

/**
 * The attributes of a Name, by relative distinguished name, in the order of encoding.
 * @throws X509Error MCA_DER_MALFORMED
 */
export function nameAttributes(nameDer: Uint8Array): NameAttribute[][] {
  const outer = new DerReader(nameDer);
  const names = outer.enter(tag.sequence, "the name");
  outer.end("the name");
  const found: NameAttribute[][] = [];
  while (!names.isDone) {
    const rdn = names.enter(tag.set, "the name");
    const attributes: NameAttribute[] = [];
    do {
      const attribute = rdn.enter(tag.sequence, "the name");
      const type = attribute.oid("the name");
      const valueTag = attribute.nextTag;
      const der = attribute.element(undefined, "the name");
      attribute.end("the name");
      const contents = new DerReader(der).contents(valueTag, "the name");
      attributes.push({ oid: type, der, text: decodeString(valueTag, contents) });
    } while (!rdn.isDone);
    found.push(attributes);
  }
  return found;
}

/** Whether a Name has no attributes at all. */
export function isEmptyName(nameDer: Uint8Array): boolean {
  return nameDer.length === 2;
}

const canonicalNames = new WeakMap<Uint8Array, readonly string[]>();

/**
 * A Name in the form in which names are compared (RFC 5280 section 7.1, done as OpenSSL does it): one string for each
 * relative distinguished name; text of any string type as Unicode, ASCII letters in lower case, white space trimmed and
 * collapsed. Names are equal where these lists are; a directory name is within a subtree where the subtree's is a prefix.
 * @throws X509Error MCA_DER_MALFORMED
 */
export function canonicalName(nameDer: Uint8Array): readonly string[] {
  let canonical = canonicalNames.get(nameDer);
  if (canonical === undefined) {
    canonical = nameAttributes(nameDer).map((rdn) => rdn.map(canonicalAttribute).sort().join("+"));
    canonicalNames.set(nameDer, canonical);
  }
  return canonical;
}

function canonicalAttribute({ oid: type, der, text }: NameAttribute): string {
  if (text === undefined) return `${type}=#${toHex(der)}`;
  // White space is collapsed before it is trimmed: the other way round costs quadratic time on long runs of it.
  const folded = text
    .replace(/[ \t\n\v\f\r]+/g, " ")
    .replace(/^ | $/g, "")
    .replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return `${type}=${JSON.stringify(folded)}`;
}

/** Whether two Names are the same for the purpose of chaining. */
export function sameName(a: Uint8Array, b: Uint8Array): boolean {
  if (bytesEqual(a, b)) return true;
  const left = canonicalName(a);
  const right = canonicalName(b);
  return left.length === right.length && left.every((rdn, i) => rdn === right[i]);
}

// RFC 4514 section 3, and the few more that people know.
const SHORT_NAMES = new Map<string, string>([
  [oid.commonName, "CN"],
  [oid.serialNumber, "serialNumber"],
  [oid.country, "C"],
  [oid.locality, "L"],
  [oid.stateOrProvince, "ST"],
  [oid.organization, "O"],
  [oid.organizationalUnit, "OU"],
  [oid.domainComponent, "DC"],
  [oid.userId, "UID"],
  [oid.emailAddress, "emailAddress"],
]);

// Control characters and those that reorder text must not reach a terminal or a log line as they are.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const utf8 = new TextEncoder();

function escapeValue(text: string): string {
  return text
    .replace(/[\\",+;<>]/g, "\\$&")
    .replace(/^[ #]/, "\\$&")
    .replace(/ $/, "\\ ")
    .replace(UNPRINTABLE, (character) =>
      [...utf8.encode(character)].map((o) => `\\${toHex(Uint8Array.of(o))}`).join(""),
    );
}

function attributeToString(attribute: NameAttribute): string {
  const short = SHORT_NAMES.get(attribute.oid);
  return short === undefined || attribute.text === undefined
    ? `${short ?? attribute.oid}=#${toHex(attribute.der)}`
    : `${short}=${escapeValue(attribute.text)}`;
}

/**
 * A Name as RFC 4514 text (last attribute first), for people only: never compare it, never parse it.
 * @throws X509Error MCA_DER_MALFORMED
 */
export function nameToString(nameDer: Uint8Array): string {
  return mapDerErrors("MCA_DER_MALFORMED", "The distinguished name", () =>
    nameAttributes(nameDer)
      .reverse()
      .map((rdn) => rdn.map(attributeToString).join("+"))
      .join(","),
  );
}

/** A Name, DER: organization (if given), then common name (if given), as UTF8String. */
export function encodeName(attributes: { readonly commonName?: string; readonly organization?: string }): Uint8Array {
  const rdns: Uint8Array[] = [];
  const add = (type: string, text: string | undefined): void => {
    if (text !== undefined) rdns.push(derSet(derSequence(derOid(type), derUtf8String(text))));
  };
  add(oid.organization, attributes.organization);
  add(oid.commonName, attributes.commonName);
  return derSequence(...rdns);
}
