// PEM, the textual encoding of RFC 7468, for the edges of the system only: inside, everything is DER.
// Strict in what it reads: no headers (so no encrypted legacy keys), matching labels, canonical base64. Text outside of
// the blocks is allowed (RFC 7468 section 2: explanatory text), because the files of security teams are full of it.
import { X509Error } from "./errors.ts";

export interface PemBlock {
  /** For example "CERTIFICATE". */
  readonly label: string;
  readonly der: Uint8Array;
}

const MAX_TEXT = 4 * 1024 * 1024;
const LINE = 64;

function malformed(sentence: string): X509Error {
  return new X509Error("MCA_PEM_MALFORMED", sentence);
}

/** One PEM block with lines of 64 characters and a final newline. `label` is upper case, for example "CERTIFICATE". */
export function encodePem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString("base64");
  let body = "";
  for (let at = 0; at < base64.length; at += LINE) body += `${base64.slice(at, at + LINE)}\n`;
  return `-----BEGIN ${label}-----\n${body}-----END ${label}-----\n`;
}

/**
 * Every PEM block of a text, in order; at least one.
 * @throws X509Error MCA_PEM_MALFORMED where there is none, or one is not well formed.
 */
export function decodePem(text: string): PemBlock[] {
  if (text.length > MAX_TEXT) throw malformed(`The PEM text is longer than ${MAX_TEXT} characters.`);
  const blocks: PemBlock[] = [];
  let label: string | undefined;
  let base64 = "";
  for (const raw of text.split("\n")) {
    const line = raw.trimEnd();
    const begin = boundary(line, "-----BEGIN ");
    if (begin !== undefined) {
      if (label !== undefined) throw malformed(`The PEM block "${label}" has no END line.`);
      label = begin;
      base64 = "";
      continue;
    }
    const end = boundary(line, "-----END ");
    if (end !== undefined) {
      if (label === undefined || end !== label)
        throw malformed(`The PEM line "END ${end}" has no BEGIN line of that label.`);
      blocks.push({ label, der: decodeBase64(base64, label) });
      label = undefined;
    } else if (label !== undefined) {
      base64 += line.trimStart();
    }
  }
  if (label !== undefined) throw malformed(`The PEM block "${label}" has no END line.`);
  if (blocks.length === 0) throw malformed("The text contains no PEM block (a line that begins with -----BEGIN).");
  return blocks;
}

/** The label of a BEGIN or END line, or undefined where the line is no such thing. */
function boundary(line: string, start: string): string | undefined {
  if (!line.startsWith(start)) return undefined;
  const label = line.slice(start.length, -5);
  if (!line.endsWith("-----") || !/^[A-Z0-9][A-Z0-9 ]{0,60}$/.test(label)) {
    throw malformed("A BEGIN or END line of the PEM text is not well formed.");
  }
  return label;
}

function decodeBase64(base64: string, label: string): Uint8Array {
  const der = Buffer.from(base64, "base64");
  // Buffer skips what it does not know; only the canonical text of the same octets is acceptable.
  if (der.length === 0 || der.toString("base64") !== base64) {
    throw malformed(
      `The PEM block "${label}" is not base64 (an encrypted key or a header inside the block is not supported).`,
    );
  }
  return new Uint8Array(der);
}
