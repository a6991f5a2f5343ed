// The numbers of the specification, for both sides: some of node's own bounds show only far beyond them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clientSessionOptions, serverSessionOptions } from "../../../../src/proxy-tls/http/h2/settings.ts";

const BOTH = {
  maxHeaderListPairs: 104,
  maxSessionMemory: 2,
  maxSessionInvalidFrames: 50,
  maxSessionRejectedStreams: 20,
  strictSingleValueFields: false,
} as const;

test("sessions of both sides have the bounds of the specification", () => {
  assert.partialDeepStrictEqual(serverSessionOptions(7), {
    ...BOTH,
    streamResetBurst: 50,
    streamResetRate: 10,
    settings: { maxHeaderListSize: 32_768, enablePush: false, maxConcurrentStreams: 7, enableConnectProtocol: false },
  });
  assert.partialDeepStrictEqual(clientSessionOptions(), {
    ...BOTH,
    settings: { maxHeaderListSize: 32_768, enablePush: false, maxConcurrentStreams: 100, enableConnectProtocol: false },
  });
});
