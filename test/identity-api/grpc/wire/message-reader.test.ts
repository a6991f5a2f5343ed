// However what comes is cut, the messages are the same, and what is kept is no more than what has come.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MessageReader } from "../../../../src/identity-api/grpc/wire/message-reader.ts";
import { framed } from "./raw-call.ts";

const MOST = 300;

test("every split of the same bytes gives the same messages", () => {
  const message = fc.uint8Array({ maxLength: MOST });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), fc.array(fc.integer({ min: 1, max: 400 })), (messages, cuts) => {
      const bytes = Buffer.concat(messages.map((each) => framed(each)));
      const reader = new MessageReader(MOST);
      const read: Buffer[] = [];
      let at = 0;
      for (const cut of [...cuts, bytes.length]) {
        const piece = Buffer.from(bytes.subarray(at, at + cut));
        at += cut;
        if (piece.length === 0) break;
        reader.add(piece);
        for (let next = reader.next(); next !== undefined; next = reader.next()) read.push(Buffer.from(next.bytes));
        reader.keep();
        // The piece's memory is its owner's again.
        piece.fill(0xee);
      }
      assert.deepEqual(
        read,
        messages.map((each) => Buffer.from(each)),
      );
      assert.equal(reader.waiting, 0);
    }),
    { numRuns: 200 },
  );
});

test("a message is judged by the length that it announces, before it comes", () => {
  const reader = new MessageReader(MOST);
  reader.add(Buffer.from([0, 0, 0, 1, 45]));
  assert.throws(() => reader.next(), { code: "MCA_MESSAGE_TOO_LARGE" });
  const fits = new MessageReader(MOST);
  fits.add(Buffer.from([0, 0, 0, 1, 44]));
  assert.equal(fits.next(), undefined);
});

test("of a request that is one message no second one is waited for", () => {
  const reader = new MessageReader(MOST);
  reader.add(framed(Buffer.alloc(10)));
  reader.checkOne();
  reader.keep();
  reader.add(Buffer.of(0));
  assert.throws(() => reader.checkOne(), { code: "MCA_REQUEST_INVALID" });
});
