// Bytes that a server may send to a client that has asked four things (client-requests.ts): streams of frames, most of them lawful.
import fc from "fast-check";
import * as h2 from "../../proxy-tls/support/http2-frames.ts";
import { AnyEncoder } from "../hpack/support/any-blocks.ts";
import { coding, fields, heads, padding, part, priority, writtenPart } from "./stream-parts.ts";

/** Mostly one of those that were opened. */
const stream = fc.oneof({ weight: 30, arbitrary: fc.constantFrom(1, 1, 3, 3, 5, 7) }, fc.constantFrom(0, 2, 9));

const status = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom("200", "200", "204", "304", "404", "500", "100", "103", "103", "199") },
  fc.constantFrom("101", "099", "999", "20", "2000", "2x0", "", " 200", "600"),
);
/** What stands before the other fields, and behind them. */
const pseudo = fc.oneof(
  { weight: 30, arbitrary: status.map((code) => ({ before: [":status", code], after: [] as string[] })) },
  fc.constantFrom(
    { before: [], after: [] },
    { before: [], after: [":status", "200"] },
    { before: [":status", "200", ":status", "200"], after: [] },
    { before: [":status", "200"], after: [":status", "200"] },
    { before: [":status", "200", ":path", "/"], after: [] },
    { before: [":method", "GET", ":status", "200"], after: [] },
    { before: [":status", "200"], after: ["content-length", "3"] },
    { before: [":status", "204"], after: ["content-length", "0"] },
  ),
);
const head = fc.record({
  what: fc.constant("head" as const),
  pseudo,
  fields,
  coding,
  padding,
  priority,
  cuts: fc.array(fc.nat(60), { maxLength: 2 }),
  end: fc.constantFrom(false, false, true),
});
const bulk = fc.record({
  what: fc.constant("bulk" as const),
  frames: fc.integer({ min: 1, max: 5 }),
  padding,
  end: fc.boolean(),
});
/** A body that is padding, nearly all of it. */
const stuffed = fc.record({ what: fc.constant("stuffed" as const), frames: fc.integer({ min: 100, max: 250 }) });
const farewell = fc.record({
  what: fc.constant("farewell" as const),
  last: fc.constantFrom(0, 1, 3, 5, 7, 2, 0x7fff_ffff, 0x8000_0003),
  code: fc.constantFrom(0, 0, 0, 0, 2, 11),
});
const push = fc.record({ what: fc.constant("push" as const), promised: fc.constantFrom(2, 4, 1, 0), fields, coding });
const interims = fc.record({ what: fc.constant("interims" as const), count: fc.integer({ min: 2, max: 9 }) });
const setting = fc.tuple(
  fc.constantFrom(1, 3, 4, 4, 4, 5, 6, 0x4d44),
  fc.constantFrom(0, 1, 2, 100, 4096, 20_000, 65_535, 65_536, 2 ** 24 - 1, 0x7fff_ffff, 0x8000_0000),
);
const settings = fc.array(setting, { maxLength: 3 });
const step = fc.record({
  stream,
  one: fc.oneof(
    { weight: 60, arbitrary: head },
    { weight: 90, arbitrary: fc.record({ what: fc.constant("part" as const), part }) },
    { weight: 12, arbitrary: fc.record({ what: fc.constant("settings" as const), settings }) },
    { weight: 6, arbitrary: interims },
    { weight: 3, arbitrary: bulk },
    { weight: 1, arbitrary: stuffed },
    { weight: 9, arbitrary: farewell },
    { weight: 2, arbitrary: push },
  ),
});
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** The frames of a server; most are lawful. */
export const serverStream: fc.Arbitrary<Buffer> = fc
  .tuple(settings, fc.array(step, { minLength: 1, maxLength: 9 }))
  .map(([opening, steps]) => {
    const encoder = new AnyEncoder();
    return Buffer.concat([h2.settings(...opening), ...steps.flatMap((one) => written(one, encoder))]);
  });

function written({ stream, one }: Step, encoder: AnyEncoder): Buffer[] {
  switch (one.what) {
    case "head": {
      const list = [...one.pseudo.before, ...one.fields.flat(), ...one.pseudo.after];
      return heads(
        stream,
        encoder.encode({ ...one.coding, fields: list }),
        one.cuts,
        one.end,
        one.padding,
        one.priority,
      );
    }
    case "part":
      return writtenPart(one.part, stream, encoder);
    case "settings":
      return [h2.settings(...one.settings)];
    case "interims":
      return Array.from({ length: one.count }, () => h2.headers(stream, 0, ":status", "103"));
    case "bulk":
      return Array.from({ length: one.frames }, (_, index) => {
        const flags = one.end && index === one.frames - 1 ? h2.END_STREAM : 0;
        if (one.padding === undefined) return h2.data(stream, flags, "d".repeat(16_384));
        return h2.data(stream, flags | h2.PADDED, Buffer.alloc(16_384, one.padding));
      });
    case "stuffed":
      return Array.from({ length: one.frames }, () => h2.data(stream, h2.PADDED, Buffer.alloc(257, 255)));
    case "farewell":
      return [h2.goaway(one.last, one.code)];
    case "push": {
      const promised = Buffer.from([0, 0, 0, one.promised]);
      const block = encoder.encode({ ...one.coding, fields: one.fields.flat() });
      return [h2.frame(h2.PUSH_PROMISE, h2.END_HEADERS, stream, Buffer.concat([promised, block]))];
    }
  }
}
