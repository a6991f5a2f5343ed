// Bug class: whoever answers at the server's address writes to the terminal of the person who joins. The first call by a token goes to
// somebody unverified, and the text of a gRPC status may hold anything.
import assert from "node:assert/strict";
import { createSecureServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { SvidSource } from "../../src/identity-client/index.ts";
import { encodeJoinToken } from "../../src/spiffe/index.ts";
import { createAuthority, temporaryDirectory, trustDomain } from "../identity-client/helpers.ts";
import { createLeaf, createRoot } from "../support/pki.ts";

const EVIL = "\u001b]0;owned\u0007\u001b[2J\u009b31m\u202etxt\r\nmesh-ca: all is well";

/** A gRPC server of somebody else: every call ends with this status and text. */
async function impostor(t: TestContext, status: number, trailers: Record<string, string>): Promise<string> {
  const identity = createLeaf(createRoot());
  const server = createSecureServer({ cert: identity.pem, key: identity.keyPem });
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => {});
    const text = encodeURIComponent(EVIL);
    const headers = { "content-type": "application/grpc", "grpc-status": String(status), "grpc-message": text };
    stream.respond({ ...headers, ...trailers }, { endStream: true });
  });
  const sessions = new Set<{ destroy(): void }>();
  server.on("session", (session) => sessions.add(session));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

for (const [what, status, trailers] of [
  ["that refuses with a code of ours", 3, { "mca-code": "MCA_REQUEST_INVALID" }],
  ["that answers with another status", 5, {}],
] as const) {
  test(`a stranger ${what} writes no control characters and no lines of its own`, async (t) => {
    const server = await impostor(t, status, trailers);
    const pins = [createAuthority().certificate.publicKey.spkiSha256];
    const text = encodeJoinToken({ trustDomain, server, pins, secret: new Uint8Array(32) });
    const joining = SvidSource.start({
      joinToken: { text },
      stateDir: temporaryDirectory(),
      startTimeoutMs: 5_000,
    });
    await assert.rejects(joining, (error: Error) => {
      assert.match(error.message, /owned/, "the text is told");
      assert.doesNotMatch(error.message, /[\p{Cc}\p{Cf}]/u);
      return true;
    });
  });
}
