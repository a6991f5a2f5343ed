// OBJECT IDENTIFIER (X.690 section 8.19): arcs in base 128, each minimal.
import { X509Error } from "../errors.ts";

const MAX_OCTETS = 64;

function malformed(what: string): X509Error {
  return new X509Error(
    "MCA_DER_MALFORMED",
    `${what} is not an OBJECT IDENTIFIER in DER of at most ${MAX_OCTETS} octets`,
  );
}

/**
 * Contents octets to dotted form. Arcs may be as long as the bound allows (UUIDs are arcs of 128 bits).
 * @throws X509Error MCA_DER_MALFORMED
 */
export function decodeOid(contents: Uint8Array, what: string): string {
  const length = contents.length;
  if (length === 0 || length > MAX_OCTETS || (contents[length - 1] ?? 0x80) >= 0x80) throw malformed(what);
  let text = "";
  let at = 0;
  while (at < length) {
    const first = at;
    if (contents[at] === 0x80) throw malformed(what);
    let arc = 0;
    for (;;) {
      const octet = contents[at++] ?? 0;
      arc = arc * 128 + (octet & 0x7f);
      if (octet < 0x80) break;
    }
    // Seven octets hold 49 bits, which a number holds exactly.
    const exact = at - first <= 7 ? arc : largeArc(contents, first, at);
    text += first === 0 ? firstTwoArcs(exact) : `.${exact}`;
  }
  return text;
}

function largeArc(contents: Uint8Array, from: number, to: number): bigint {
  let arc = 0n;
  for (let at = from; at < to; at++) arc = (arc << 7n) | BigInt((contents[at] ?? 0) & 0x7f);
  return arc;
}

function firstTwoArcs(arc: number | bigint): string {
  if (arc < 40) return `0.${arc}`;
  if (arc < 80) return `1.${Number(arc) - 40}`;
  return typeof arc === "bigint" ? `2.${arc - 80n}` : `2.${arc - 80}`;
}

/**
 * Dotted form to contents octets.
 * @throws TypeError where the text is not an OID: these come from our own code, not from outsiders.
 */
export function encodeOid(text: string): Uint8Array {
  if (!/^[0-2](\.(0|[1-9][0-9]*))+$/.test(text)) throw new TypeError(`not an OID: ${text}`);
  const [root = 0n, second = 0n, ...rest] = text.split(".").map(BigInt);
  if (root < 2n && second > 39n) throw new TypeError(`not an OID: ${text}`);
  const octets: number[] = [];
  for (const arc of [root * 40n + second, ...rest]) {
    const start = octets.length;
    let left = arc;
    do {
      octets.splice(start, 0, Number(left & 0x7fn) | (octets.length > start ? 0x80 : 0));
      left >>= 7n;
    } while (left > 0n);
  }
  return Uint8Array.from(octets);
}
