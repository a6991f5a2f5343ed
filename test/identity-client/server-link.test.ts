// A link that was given up while a call was being prepared: trust stream and renewals share one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ServerLink } from "../../src/identity-client/server-link.ts";
import { IssueX509SvidRequest } from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import { FaultyServer } from "./faulty-server.ts";
import { createAuthority } from "./helpers.ts";

const request = IssueX509SvidRequest.fromPartial({});

test("A call on a link that was closed fails as one to a server that is away, so that no evidence is spent for it", async () => {
  const link = new ServerLink({ address: "127.0.0.1:1", judge: () => {}, callTimeoutMs: 1_000 });
  link.close();
  await assert.rejects(link.issue(request), { code: "MCA_SERVER_UNAVAILABLE" });
  await assert.rejects(link.acknowledgeTrust(1n), { code: "MCA_SERVER_UNAVAILABLE" });
});

test("A call on a link that was closed because its server was refused says so", async (t) => {
  const server = await FaultyServer.start({ authority: createAuthority() });
  t.after(() => server.stop());
  const judge = (): never => {
    throw new Error("a stranger");
  };
  const link = new ServerLink({ address: server.address, judge, callTimeoutMs: 2_000 });
  await assert.rejects(link.issue(request), { code: "MCA_SERVER_UNTRUSTED" });
  link.close();
  await assert.rejects(link.issue(request), { code: "MCA_SERVER_UNTRUSTED" });
});
