// Every split of a stream gives the same events, refusals included (http-engine.md: Heads).
import { deepStrictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { faulty, pieceSizes, requestStream, responseStream } from "../../support/http1-streams.ts";
import { parseRequests, parseResponses } from "../../support/parsed-streams.ts";

test("requests, good and bad ones", () => {
  fc.assert(
    fc.property(faulty(requestStream), pieceSizes, fc.boolean(), (stream, sizes, allowHttp10) => {
      const whole = parseRequests(stream, { allowHttp10 });
      deepStrictEqual(parseRequests(stream, { allowHttp10, sizes }), whole);
      deepStrictEqual(parseRequests(stream, { allowHttp10, sizes: [1] }), whole);
    }),
    { numRuns: 1_500 },
  );
});

test("responses, good and bad ones, with or without an end of the connection", () => {
  const options = fc.record({
    methods: fc.array(fc.constantFrom("GET", "HEAD"), { maxLength: 3 }),
    untilClose: fc.constantFrom("allow" as const, "refuse" as const),
    end: fc.boolean(),
  });
  const streams = fc.array(faulty(responseStream), { minLength: 1, maxLength: 3 }).map((all) => all.join(""));
  fc.assert(
    fc.property(streams, pieceSizes, options, (stream, sizes, rules) => {
      const whole = parseResponses(stream, rules);
      deepStrictEqual(parseResponses(stream, { ...rules, sizes }), whole);
      deepStrictEqual(parseResponses(stream, { ...rules, sizes: [1] }), whole);
    }),
    { numRuns: 1_500 },
  );
});
