// What both peers' streams of frames are made of: fields, lawful and hostile ones, HPACK in every representation, bodies, trailers, other frames.
import fc from "fast-check";
import * as h2 from "../../proxy-tls/support/http2-frames.ts";
import type { AnyEncoder } from "../hpack/support/any-blocks.ts";

const PRIORITIZED = 0x20;
const MAX_FIELDS = 16;

const visible = fc.integer({ min: 0x21, max: 0x7e });
const octets = fc.oneof({ weight: 4, arbitrary: visible }, fc.integer({ min: 0x80, max: 0xff }), fc.nat(255));
const text = fc.array(octets, { maxLength: 12 }).map((codes) => String.fromCharCode(...codes));
const value = fc.oneof(
  { weight: 12, arbitrary: fc.oneof(fc.constantFrom("", "1", "a b", "trailers", "x-a", "v".repeat(40)), text) },
  fc.constant("w".repeat(4000)),
);
const NAMES = [
  "x-a",
  "x-b",
  "x-request-id",
  "cookie",
  "accept",
  "authorization",
  "user-agent",
  "via",
  "te",
  "grpc-status",
];
const HOSTILE: readonly (readonly [string, string])[] = [
  ...([
    ["content-length", "3"],
    ["content-length", "0"],
    ["content-length", "+3"],
    ["content-length", "3, 3"],
  ] as const),
  ...([
    ["host", "b.test"],
    ["host", ""],
    ["te", "trailers"],
    ["te", "gzip"],
    ["te", "Trailers"],
  ] as const),
  ...([
    ["connection", "x-a"],
    ["transfer-encoding", "chunked"],
    ["keep-alive", "1"],
    ["upgrade", "h2c"],
  ] as const),
  ...([
    ["proxy-connection", "close"],
    ["X-A", "1"],
    ["x a", "1"],
    ["x:a", "1"],
    ["", "1"],
    [":", "1"],
  ] as const),
  ...([
    ["x-a", "a\r\nb: c"],
    ["x-a", "\0"],
    ["x-a", " a"],
    ["x-a", "a\t"],
    ["x-a", "\x7f"],
  ] as const),
  ...([
    [":method", "GET"],
    [":path", "/b"],
    [":path", ""],
    [":scheme", "https"],
    [":authority", "b.test"],
  ] as const),
  ...([
    [":protocol", "websocket"],
    [":status", "200"],
    [":x", "1"],
    [":authority", "a@b"],
    [":path", "*"],
  ] as const),
];
const usual = fc.tuple(
  fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...NAMES) }, fc.stringMatching(/^[a-z0-9!#.*+-]{1,9}$/)),
  value,
);
const field = fc.oneof({ weight: 12, arbitrary: usual }, fc.constantFrom(...HOSTILE));
export const fields = fc.array(field, { maxLength: 5 });

const choices = fc.array(
  fc.record({
    kind: fc.constantFrom("indexed" as const, "indexed" as const, "added" as const, "plain" as const, "never" as const),
    byNumber: fc.boolean(),
    coded: fc.boolean(),
    pick: fc.nat(),
  }),
  { minLength: MAX_FIELDS, maxLength: MAX_FIELDS },
);
const sizes = fc.oneof(
  { weight: 9, arbitrary: fc.constant([]) },
  fc.array(fc.constantFrom(0, 33, 70, 200, 4095, 4096, 4097), { maxLength: 3 }),
);
export const coding = fc.record({ sizes, choices });
export const priority = fc.constantFrom(undefined, undefined, 0, 1, 0x8000_0003);
export const padding = fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, fc.constantFrom(0, 1, 7, 255));

const body = fc.record({
  what: fc.constant("body" as const),
  text: fc.oneof(text, fc.constantFrom("", "abc", "b".repeat(300))),
  padding,
  end: fc.boolean(),
});
const trailers = fc.record({
  what: fc.constant("trailers" as const),
  fields,
  coding,
  cuts: fc.array(fc.nat(20), { maxLength: 1 }),
  end: fc.constantFrom(true, true, true, false),
});
const other = fc.record({
  what: fc.constant("other" as const),
  type: fc.constantFrom(
    h2.PRIORITY,
    h2.RST_STREAM,
    h2.SETTINGS,
    h2.SETTINGS,
    h2.PING,
    h2.GOAWAY,
    h2.WINDOW_UPDATE,
    h2.WINDOW_UPDATE,
    0x0b,
    0x10,
    0xff,
  ),
  flags: fc.constantFrom(0, 0, 0, 1, 255),
  setting: fc.constantFrom(1, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 0x4d44),
  value: fc.constantFrom(0, 1, 2, 3, 100, 4096, 16_384, 65_535, 2 ** 24, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
});
/** A frame, or a few, behind a head. */
export const part = fc.oneof({ weight: 3, arbitrary: body }, trailers, { weight: 2, arbitrary: other });
type Part = typeof part extends fc.Arbitrary<infer P> ? P : never;

/** @param stream which it is of */
export function writtenPart(one: Part, stream: number, encoder: AnyEncoder): Buffer[] {
  switch (one.what) {
    case "body":
      return [padded(h2.DATA, one.end ? h2.END_STREAM : 0, stream, Buffer.from(one.text, "latin1"), one.padding)];
    case "trailers": {
      const block = encoder.encode({ ...one.coding, fields: one.fields.flat() });
      return heads(stream, block, one.cuts, one.end, undefined, undefined);
    }
    case "other":
      return [otherFrame(one, stream)];
  }
}

function padded(type: number, flags: number, stream: number, payload: Buffer, padding: number | undefined): Buffer {
  if (padding === undefined) return h2.frame(type, flags, stream, payload);
  return h2.frame(
    type,
    flags | h2.PADDED,
    stream,
    Buffer.concat([Buffer.from([padding]), payload, Buffer.alloc(padding)]),
  );
}

/** HEADERS, and CONTINUATION behind each cut. */
export function heads(
  stream: number,
  block: Buffer,
  cuts: readonly number[],
  end: boolean,
  padding: number | undefined,
  priority: number | undefined,
): Buffer[] {
  const places = [0, ...cuts.filter((cut) => cut < block.length).sort((left, right) => left - right), block.length];
  return places.slice(1).map((to, index) => {
    const last = to === block.length && index === places.length - 2 ? h2.END_HEADERS : 0;
    const part = block.subarray(places[index] ?? 0, to);
    if (index > 0) return h2.frame(h2.CONTINUATION, last, stream, part);
    const weight = Buffer.alloc(5, 16);
    if (priority !== undefined) weight.writeUInt32BE(priority);
    const flags = last | (end ? h2.END_STREAM : 0) | (priority === undefined ? 0 : PRIORITIZED);
    return padded(h2.HEADERS, flags, stream, priority === undefined ? part : Buffer.concat([weight, part]), padding);
  });
}

function otherFrame(one: Extract<Part, { readonly what: "other" }>, stream: number): Buffer {
  const word = Buffer.alloc(4);
  word.writeUInt32BE(one.value);
  switch (one.type) {
    case h2.SETTINGS:
      return one.flags === 0 ? h2.settings([one.setting, one.value]) : h2.frame(h2.SETTINGS, h2.ACK, 0);
    case h2.PING:
      return h2.frame(h2.PING, one.flags, 0, Buffer.concat([word, word]));
    case h2.GOAWAY:
      return h2.frame(h2.GOAWAY, one.flags, 0, Buffer.concat([Buffer.alloc(4), word, Buffer.from("bye")]));
    case h2.PRIORITY:
      return h2.frame(h2.PRIORITY, one.flags, stream, Buffer.concat([word, Buffer.from([1])]));
    case h2.WINDOW_UPDATE:
      return h2.frame(h2.WINDOW_UPDATE, one.flags, one.setting % 2 === 0 ? 0 : stream, word);
    case h2.RST_STREAM:
      return h2.frame(h2.RST_STREAM, one.flags, stream, word);
    default:
      return h2.frame(one.type, one.flags, one.setting % 2 === 0 ? 0 : stream, word);
  }
}
