// Our codec beside node's parser (llhttp), on streams that a computer thinks of. Ours is never more lenient, nor other.
import { strictEqual } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { faulty, requestStream, responseStream } from "../../support/http1-streams.ts";
import {
  type RequestReader,
  type ResponseReader,
  startRequestReader,
  startResponseReader,
} from "../../support/node-http.ts";
import { parseRequests, parseResponses } from "../../support/parsed-streams.ts";
import { requestDifference, responseDifference } from "../../support/same-reading.ts";

const HTTP_1_0 = { allowHttp10: true };
const TO_THE_END = { untilClose: "allow", end: true } as const;

describe("request streams", () => {
  let node: RequestReader;
  before(async () => {
    node = await startRequestReader();
  });
  after(() => node[Symbol.asyncDispose]());

  test("good streams are accepted whole, and read alike", async () => {
    await fc.assert(
      fc.asyncProperty(requestStream, async (stream) => {
        const ours = parseRequests(stream);
        strictEqual(ours.refusal, undefined);
        const theirs = await node.read(stream);
        if (theirs.error !== "HPE_INVALID_URL") strictEqual(theirs.messages.length, ours.messages.length);
        strictEqual(requestDifference(ours, theirs), undefined);
      }),
      { numRuns: 300 },
    );
  });

  test("streams with faults are refused by us, or read alike", async () => {
    await fc.assert(
      fc.asyncProperty(faulty(requestStream), async (stream) => {
        strictEqual(requestDifference(parseRequests(stream, HTTP_1_0), await node.read(stream)), undefined);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("response streams", () => {
  let node: ResponseReader;
  before(async () => {
    node = await startResponseReader();
  });
  after(() => node[Symbol.asyncDispose]());

  test("good streams are accepted whole, and read alike", async () => {
    await fc.assert(
      fc.asyncProperty(responseStream, fc.constantFrom("GET", "HEAD", "POST"), async (stream, method) => {
        const ours = parseResponses(stream, { ...TO_THE_END, methods: [method] });
        strictEqual(ours.refusal, undefined);
        strictEqual(responseDifference(ours, await node.read(stream, method)), undefined);
      }),
      { numRuns: 300 },
    );
  });

  test("streams with faults are refused by us, or read alike", async () => {
    await fc.assert(
      fc.asyncProperty(faulty(responseStream), fc.constantFrom("GET", "HEAD"), async (stream, method) => {
        const ours = parseResponses(stream, { ...TO_THE_END, methods: [method] });
        strictEqual(responseDifference(ours, await node.read(stream, method)), undefined);
      }),
      { numRuns: 1_000 },
    );
  });
});
