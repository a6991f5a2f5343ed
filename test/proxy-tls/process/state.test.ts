// The state that the primary holds, and what a worker makes of what it is told: the same, and nothing anew that has not changed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePolicies } from "../../../src/proxy-tls/policy/parse.ts";
import type { StateMessage } from "../../../src/proxy-tls/process/messages.ts";
import { StateHolder } from "../../../src/proxy-tls/process/state-holder.ts";
import { WorkerState } from "../../../src/proxy-tls/process/worker-state.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { encodeTrustFile } from "../../../src/spiffe/index.ts";
import { decodePem, parseCertificate } from "../../../src/x509/index.ts";
import { TestLog } from "../../support/test-log.ts";
import { TestDomain } from "../support/state.ts";

const domain = new TestDomain("example.test");
const other = new TestDomain("other.test");
const own = { id: "spiffe://example.test/cart", tls: domain.identity("/cart") };
const policies = parsePolicies({
  policies: [{ name: "all", action: "allow", rules: [{ from: { ids: ["spiffe://example.test/*"] } }] }],
});

function full(): StateHolder {
  const holder = new StateHolder(silentLogger);
  holder.update({ own, trust: [domain.trust(), other.trust()], policies });
  return holder;
}

/** As it comes out of the channel. */
function sent(message: StateMessage): StateMessage {
  return JSON.parse(JSON.stringify(message));
}

function chainOf(identity: { readonly certificateChainPem: string }) {
  return decodePem(identity.certificateChainPem).map(({ der }) => parseCertificate(der));
}

test("one change is one revision, and each part has its own", () => {
  const holder = full();
  const first = holder.current();
  assert.deepEqual([first.revision, first.identityRevision, first.trustRevision, first.policyRevision], [1, 1, 1, 1]);
  holder.update({ own: { ...own, tls: domain.identity("/cart") } });
  holder.update({ trust: [domain.trust()] });
  holder.update({ policies: parsePolicies({ policies: [] }) });
  const last = holder.current();
  assert.deepEqual([last.revision, last.identityRevision, last.trustRevision, last.policyRevision], [4, 2, 2, 2]);
});

test("what says the same is no change, and is told to nobody", () => {
  const holder = full();
  let told = 0;
  holder.onChange(() => {
    told += 1;
  });
  const before = holder.current();
  holder.update({ own, trust: [domain.trust(), other.trust()], policies });
  assert.equal(holder.current(), before);
  assert.equal(told, 0);
});

test("an identity that has ended is undefined, not the old one", () => {
  const holder = full();
  holder.update({ own: null });
  assert.equal(holder.current().identity, undefined);
  assert.equal(holder.current().ownId, "");
  const worker = new WorkerState(sent(full().message()));
  worker.apply(sent({ ...holder.message({ trustRevision: 1, policyRevision: 1 }) }));
  assert.equal(worker.current().identity, undefined);
});

test("a worker has the same revisions, identity, trust and policies as the primary", () => {
  const holder = full();
  const state = new WorkerState(sent(holder.message())).current();
  const { revision, identityRevision, trustRevision, policyRevision, ownId, identity } = holder.current();
  assert.deepEqual(
    { ...state, peers: undefined, policies: undefined },
    {
      revision,
      identityRevision,
      trustRevision,
      policyRevision,
      ownId,
      identity,
      peers: undefined,
      policies: undefined,
    },
  );
  assert.deepEqual(state.peers.trust.map(encodeTrustFile), holder.current().peers.trust.map(encodeTrustFile));
  assert.equal(state.peers.verify(chainOf(domain.identity("/a")), Date.now()).idText, "spiffe://example.test/a");
  assert.equal(state.peers.verify(chainOf(other.identity("/b")), Date.now()).idText, "spiffe://other.test/b");
  assert.deepEqual(state.policies.document, policies.document);
  assert.deepEqual(
    state.policies.policies.map(({ name }) => name),
    ["all"],
  );
});

test("a change of one part travels alone, and the others stay the very same objects", () => {
  const holder = full();
  const worker = new WorkerState(sent(holder.message()));
  const before = worker.current();
  const told = { trustRevision: 1, policyRevision: 1 };
  let changes = 0;
  worker.onChange(() => {
    changes += 1;
  });
  holder.update({ own: { ...own, tls: domain.identity("/cart") } });
  const message = holder.message(told);
  assert.equal(message.trust, undefined);
  assert.equal(message.policies, undefined);
  worker.apply(sent(message));
  assert.equal(worker.current().peers, before.peers);
  assert.equal(worker.current().policies, before.policies);
  assert.notEqual(worker.current().identity, before.identity);
  const revocations = [{ kind: "serial", serial: chainOf(domain.identity("/a"))[0]?.serialHex ?? "" }] as const;
  holder.update({ trust: [domain.trust({ revocations }), other.trust()] });
  const identity = worker.current().identity;
  worker.apply(sent(holder.message(told)));
  assert.equal(worker.current().identity, identity, "connections to targets are kept by this object");
  assert.notEqual(worker.current().peers, before.peers);
  assert.deepEqual(worker.current().peers.trust[0]?.revocations, revocations);
  assert.equal(changes, 2);
});

test("a worker that is told a change without what it changes does not go on", () => {
  const worker = new WorkerState(sent(full().message()));
  assert.throws(
    () => worker.apply({ ...sent(full().message({ trustRevision: 1, policyRevision: 1 })), trustRevision: 2 }),
    TypeError,
  );
  const { trust: _, ...partial } = sent(full().message());
  assert.throws(() => new WorkerState(partial), TypeError);
});

test("a listener that fails keeps nobody else from hearing, and the change counts", () => {
  const log = new TestLog();
  const holder = new StateHolder(log.logger);
  const heard: number[] = [];
  holder.onChange(() => {
    throw new Error("a fault");
  });
  holder.onChange(() => heard.push(holder.current().policyRevision));
  holder.update({ policies });
  assert.deepEqual(heard, [1]);
  assert.equal(log.of("proxy.fault").length, 1);
});

test("trust of two stories about one trust domain is a bug, and is refused", () => {
  const holder = new StateHolder(silentLogger);
  assert.throws(() => holder.update({ trust: [domain.trust(), domain.trust()] }), TypeError);
});
