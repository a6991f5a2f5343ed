// From BER to DER, as far as the envelopes of certificates need it (X.690 section 8.1): indefinite and lengthy lengths become
// definite and minimal ones. CMS writers (Bouncy Castle, `openssl cms -stream`) wrap in BER what is DER inside. Elements of
// definite length are copied octet for octet, so that a certificate inside keeps the bytes that were signed.
import { derMalformed } from "./der/reader.ts";
import { derElement } from "./der/writer.ts";

const MAX_DEPTH = 16;
const MAX_ELEMENTS = 4096;
const CONSTRUCTED = 0x20;
const HIGH_TAG = 0x1f;
const INDEFINITE = 0x80;

/**
 * The same value with definite lengths wherever an indefinite one was; what lies inside of definite lengths is not looked at.
 * @param bytes exactly one element
 * @throws X509Error MCA_DER_MALFORMED where it is not well formed or too deeply nested
 */
export function definiteLengths(bytes: Uint8Array): Uint8Array {
  const walk = new BerWalk(bytes);
  const { der, end } = walk.element(0, bytes.length, 0);
  if (end !== bytes.length) throw derMalformed("the BER value has octets after its end", end);
  return der;
}

/** Where the element at `at` ends; DER or BER. @throws X509Error MCA_DER_MALFORMED */
export function endOfElement(bytes: Uint8Array, at: number): number {
  return new BerWalk(bytes).element(at, bytes.length, 0).end;
}

interface Rewritten {
  readonly der: Uint8Array;
  readonly end: number;
}

class BerWalk {
  readonly #bytes: Uint8Array;
  #elements = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  element(at: number, end: number, depth: number): Rewritten {
    if (depth > MAX_DEPTH || ++this.#elements > MAX_ELEMENTS)
      throw derMalformed("the BER value is too deeply nested", at);
    const bytes = this.#bytes;
    const tag = bytes[at];
    const first = bytes[at + 1];
    if (tag === undefined || first === undefined || at + 1 >= end) throw derMalformed("the BER value is cut off", at);
    if ((tag & HIGH_TAG) === HIGH_TAG) throw derMalformed("the BER value has a tag of several octets", at);
    if (first === INDEFINITE) return this.#indefinite(tag, at, end, depth);
    let contents = at + 2;
    let length = first;
    if (first > INDEFINITE) {
      const octets = first & 0x7f;
      if (octets > 4) throw derMalformed(`the BER value has a length of ${octets} octets`, at);
      length = 0;
      for (let i = 0; i < octets; i++) length = length * 256 + (bytes[contents++] ?? 0);
    }
    if (contents > end || length > end - contents) throw derMalformed("the BER value is cut off", at);
    const stop = contents + length;
    return { der: bytes.subarray(at, stop), end: stop };
  }

  #indefinite(tag: number, at: number, end: number, depth: number): Rewritten {
    if ((tag & CONSTRUCTED) === 0) throw derMalformed("a primitive BER value has an indefinite length", at);
    const parts: Uint8Array[] = [];
    let next = at + 2;
    for (;;) {
      if (next + 1 >= end) throw derMalformed("the BER value has no end-of-contents", at);
      if (this.#bytes[next] === 0 && this.#bytes[next + 1] === 0)
        return { der: derElement(tag, ...parts), end: next + 2 };
      const part = this.element(next, end, depth + 1);
      parts.push(part.der);
      next = part.end;
    }
  }
}
