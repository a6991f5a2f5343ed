// One writer serves all answers: nothing of one may be found in the next.
import assert from "node:assert/strict";
import { test } from "node:test";
import { issuedFrame } from "../../../src/identity-api/grpc/issued-frame.ts";
import { IssueX509SvidResponse, TrustSnapshot } from "../../../src/proto/gen/meshca/identity/v1/identity.ts";

const FRAME_HEADER_BYTES = 5;

function response(serial: string, logIndex = 1n): IssueX509SvidResponse {
  return IssueX509SvidResponse.fromPartial({ certificateChain: [Buffer.alloc(500, 1)], serial, logIndex });
}

test("every answer is a frame of its own, with the trust in it", () => {
  const trust = TrustSnapshot.fromPartial({ revision: 7n });
  const encoded = TrustSnapshot.encode(trust).finish();
  const answers = ["0a", "0b0c"].map((serial) => ({ serial, frame: issuedFrame(response(serial), encoded) }));
  for (const { serial, frame } of answers) {
    assert.equal(frame.readUInt32BE(1), frame.length - FRAME_HEADER_BYTES);
    const read = IssueX509SvidResponse.decode(frame.subarray(FRAME_HEADER_BYTES));
    assert.deepEqual(
      IssueX509SvidResponse.toJSON(read),
      IssueX509SvidResponse.toJSON({ ...response(serial), trust: TrustSnapshot.decode(encoded) }),
    );
  }
});

test("an answer that cannot be written leaves nothing in the next", () => {
  const trust = new Uint8Array();
  const whole = issuedFrame(response("0a"), trust);
  assert.throws(() => issuedFrame(response("ff", -1n), trust));
  assert.deepEqual(issuedFrame(response("0a"), trust), whole);
});
