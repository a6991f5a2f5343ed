// Header blocks by hand: every representation of RFC 7541 section 6 from its parts, and what our own decoder and encoder make of blocks.
import { type DecoderLimits, HpackDecoder } from "../../../../src/http2/hpack/decoder.ts";
import type { HpackEncoder } from "../../../../src/http2/hpack/encoder.ts";
import type { FieldList } from "../../../../src/http2/index.ts";
import { huffman } from "./huffman-code.ts";

export const WIDE: DecoderLimits = { maxTableBytes: 4096, maxListBytes: 1_000_000, maxFields: 10_000 };

export function newDecoder(limits: Partial<DecoderLimits> = {}): HpackDecoder {
  return new HpackDecoder({ ...WIDE, ...limits });
}

export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ""), "hex");
}

/** An integer (section 5.1) with the bits of `kind` above a prefix of so many bits. */
export function integer(kind: number, prefixBits: number, value: number): Buffer {
  const full = 2 ** prefixBits - 1;
  if (value < full) return Buffer.from([kind | value]);
  const octets = [kind | full];
  let rest = value - full;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) | 128);
  octets.push(rest);
  return Buffer.from(octets);
}

/** A string (section 5.2). */
export function text(characters: string, coded = false): Buffer {
  const octets = Buffer.from(characters, "latin1");
  if (!coded) return Buffer.concat([integer(0, 7, octets.length), octets]);
  const code = huffman(octets);
  return Buffer.concat([integer(0x80, 7, code.length), code]);
}

export type Kind = "added" | "plain" | "never";

/** A literal; its name is a number of the table, or text. */
export function literal(kind: Kind, name: number | string, value: string, coded = false): Buffer {
  const [first, bits] = kind === "added" ? [0x40, 6] : [kind === "never" ? 0x10 : 0, 4];
  const head = integer(first, bits, typeof name === "number" ? name : 0);
  return Buffer.concat([head, typeof name === "number" ? Buffer.alloc(0) : text(name, coded), text(value, coded)]);
}

export function indexed(index: number): Buffer {
  return integer(0x80, 7, index);
}

export function sizeUpdate(bytes: number): Buffer {
  return integer(0x20, 5, bytes);
}

/** A list in which the fields of these names are marked as never to be indexed. */
export function marked(fields: readonly string[], ...names: string[]): FieldList {
  return names.length === 0 ? [...fields] : Object.assign([...fields], { neverIndexed: new Set(names) });
}

/** What the encoder writes; asserts that it keeps within its own bound and does not write behind its end. */
export function encoded(encoder: HpackEncoder, fields: FieldList): Buffer {
  const bound = encoder.bound(fields);
  const target = Buffer.alloc(bound + 6, 0xee);
  const end = encoder.encode(target, 3, fields);
  if (end - 3 > bound) throw new Error(`${end - 3} bytes were written, ${bound} were promised`);
  if (!target.subarray(end).every((octet) => octet === 0xee)) throw new Error("something stands behind the end");
  return target.subarray(3, end);
}
