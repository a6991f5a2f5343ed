// Bytes that a client may send: streams of frames, most of them lawful, with HPACK in every representation.
import fc from "fast-check";
import * as h2 from "../../proxy-tls/support/http2-frames.ts";
import { AnyEncoder } from "../hpack/support/any-blocks.ts";
import { coding, fields, heads, padding, part, priority, writtenPart } from "./stream-parts.ts";

const head = fc.record({
  what: fc.constant("head" as const),
  method: fc.constantFrom("GET", "POST", "OPTIONS", "CONNECT", "X"),
  path: fc.constantFrom("/", "/a", "/a?b", "*", "a", "/\x80"),
  authority: fc.constantFrom("a.test", "a.test:80", undefined),
  fields,
  coding,
  padding,
  priority,
  cuts: fc.array(fc.nat(60), { maxLength: 2 }),
  end: fc.boolean(),
});
const other = fc.record({
  what: fc.constant("part" as const),
  /** Its stream: the newest, or one so many before it. */
  back: fc.constantFrom(0, 0, 0, 1, 2),
  part,
});
const step = fc.oneof({ weight: 4, arbitrary: head }, { weight: 6, arbitrary: other });
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** The preface and frames of a client; most are lawful. */
export const clientStream: fc.Arbitrary<Buffer> = fc.array(step, { minLength: 1, maxLength: 9 }).map((steps) => {
  const encoder = new AnyEncoder();
  let newest = -1;
  const parts = [h2.PREFACE, h2.settings()];
  for (const one of steps) {
    if (one.what === "head") newest += 2;
    parts.push(...written(one, newest, encoder));
  }
  return Buffer.concat(parts);
});

function written(one: Step, newest: number, encoder: AnyEncoder): Buffer[] {
  if (one.what === "part") return writtenPart(one.part, Math.max(1, newest - 2 * one.back), encoder);
  const { method, path, authority, fields, coding, padding, priority } = one;
  const target = method === "CONNECT" ? [] : [":scheme", "http", ":path", path];
  const host = authority === undefined ? [] : [":authority", authority];
  const block = encoder.encode({ ...coding, fields: [":method", method, ...target, ...host, ...fields.flat()] });
  return heads(newest, block, one.cuts, one.end, padding, priority);
}
