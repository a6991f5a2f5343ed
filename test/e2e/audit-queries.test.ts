// ListIssuances over gRPC: each filter finds exactly its rows, filters add up, and a cursor walks all pages without loss or repeat.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Issuance, ListIssuancesRequest } from "../../src/proto/gen/meshca/identity/v1/admin.ts";
import {
  auditOver,
  call,
  closeClients,
  connect,
  enrol,
  type Identity,
  listed,
  refusal,
  renew,
  startTestServer,
  type TestServer,
  until,
} from "./fixture.ts";

let on: TestServer;
let auditor: Identity;
const known = new Map<string, Identity[]>();

before(async () => {
  on = await startTestServer({
    changes: {
      attestors: { token: { kind: "join-token" } },
      rules: [
        {
          name: "auditors",
          priority: 10,
          match: { "token.service": "auditor" },
          spiffeId: "spiffe://{trustDomain}/auditor",
          roles: ["auditor"],
        },
        {
          name: "services",
          match: { "token.service": "*", "token.team": "*" },
          spiffeId: "spiffe://{trustDomain}/{token.team}/{token.service}",
        },
        { name: "plain", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/{token.service}" },
      ],
    },
  });
  auditor = await enrol(on, "auditor");
  for (const service of ["cart", "pay", "shop"]) {
    const first = await enrol(on, service);
    const client = connect(on.address, first);
    known.set(service, [first, await renew(client), await renew(client)]);
  }
  await until(async () => (await query({})).every(({ hasOutcome }) => hasOutcome), "all outcomes are recorded");
});
after(async () => {
  closeClients();
  await on.close();
});

async function query(filter: Partial<ListIssuancesRequest>): Promise<Issuance[]> {
  const client = auditOver(on.address, auditor);
  const request = { ...ListIssuancesRequest.fromPartial({}), ...filter };
  return (await call(client, client.listIssuances, request)).issuances;
}

const serialsOf = (rows: readonly Issuance[]): string[] => rows.map(({ serial }) => serial);
const issuedTo = (service: string): string[] => (known.get(service) ?? []).map(({ response }) => response.serial);
const first = (service: string): Identity => {
  const [identity] = known.get(service) ?? [];
  if (identity === undefined) throw new Error(`nothing was issued to ${service}`);
  return identity;
};

test("by SPIFFE ID: all of its certificates in the order of the log, and no others", async () => {
  assert.deepEqual(serialsOf(await query({ spiffeId: "spiffe://example.test/cart" })), issuedTo("cart"));
  assert.deepEqual(await query({ spiffeId: "spiffe://example.test/car" }), []);
});

test("by prefix: on a segment boundary", async () => {
  const all = await query({ spiffeIdPrefix: "spiffe://example.test" });
  assert.ok(all.length >= 10);
  assert.deepEqual(serialsOf(await query({ spiffeIdPrefix: "spiffe://example.test/pay" })), issuedTo("pay"));
  assert.deepEqual(await query({ spiffeIdPrefix: "spiffe://example.test/pa" }), []);
});

test("by serial: the one certificate", async () => {
  const { serial } = first("pay").response;
  assert.deepEqual(serialsOf(await query({ serial })), [serial]);
  assert.deepEqual(await query({ serial: "00ff" }), []);
});

test("by requester: the token's enrolment, and an identity's own renewals", async () => {
  const [enrolment, ...renewals] = await query({ spiffeId: "spiffe://example.test/cart" });
  assert.match(enrolment?.requester ?? "", /^token:/);
  const byToken = await query({ requester: enrolment?.requester ?? "" });
  assert.deepEqual(serialsOf(byToken), [enrolment?.serial]);
  assert.deepEqual(serialsOf(await query({ requester: "spiffe://example.test/cart" })), serialsOf(renewals));
  assert.equal(renewals.length, 2);
});

test("by authority: everything by this replica's, nothing by an unknown one", async () => {
  const all = await query({});
  const authority = all[0]?.authority ?? "";
  assert.deepEqual(serialsOf(await query({ authority })), serialsOf(all));
  assert.deepEqual(await query({ authority: "00".repeat(32) }), []);
});

test("by lineage: the enrolment and its renewals", async () => {
  assert.deepEqual(serialsOf(await query({ lineage: first("shop").response.lineage })), issuedTo("shop"));
});

test("by time: from is inclusive, until is not", async () => {
  const rows = await query({});
  const middle = rows[Math.floor(rows.length / 2)]?.issuedAt;
  assert.ok(middle !== undefined);
  const later = rows.filter(({ issuedAt }) => (issuedAt?.getTime() ?? 0) >= middle.getTime());
  assert.deepEqual(serialsOf(await query({ issuedFrom: middle })), serialsOf(later));
  const earlier = rows.filter(({ issuedAt }) => (issuedAt?.getTime() ?? 0) < middle.getTime());
  assert.deepEqual(serialsOf(await query({ issuedUntil: middle })), serialsOf(earlier));
  assert.equal(earlier.length + later.length, rows.length);
});

test("valid at: what was valid at that moment, by notBefore and notAfter", async () => {
  const { notAfter } = first("cart");
  const spiffeId = "spiffe://example.test/cart";
  assert.deepEqual(serialsOf(await query({ spiffeId, validAt: new Date() })), issuedTo("cart"));
  assert.deepEqual(await query({ spiffeId, validAt: new Date(notAfter + 86_400_000) }), []);
  assert.deepEqual(await query({ spiffeId, validAt: new Date(Date.now() - 86_400_000) }), []);
});

test("without outcome: none after an orderly run", async () => {
  assert.deepEqual(await query({ withoutOutcome: true }), []);
});

test("filters add up", async () => {
  const [, second] = await query({ spiffeId: "spiffe://example.test/cart" });
  const both = { spiffeId: "spiffe://example.test/cart", requester: "spiffe://example.test/cart" };
  assert.equal((await query(both)).length, 2);
  assert.deepEqual(serialsOf(await query({ ...both, serial: second?.serial ?? "" })), [second?.serial]);
  assert.deepEqual(await query({ ...both, serial: first("pay").response.serial }), []);
});

for (const newestFirst of [false, true]) {
  test(`a cursor walks all pages, ${newestFirst ? "newest" : "oldest"} first, while more is issued`, async () => {
    const all = serialsOf(await query({ newestFirst }));
    const other = serialsOf(await query({ newestFirst: !newestFirst }));
    assert.deepEqual(all, other.reverse());
    const client = auditOver(on.address, auditor);
    const seen: string[] = [];
    for (let cursor = "", page = 0; page < 50; page++) {
      const request = ListIssuancesRequest.fromPartial({ pageSize: 2, cursor, newestFirst });
      const answer = await call(client, client.listIssuances, request);
      assert.ok(answer.issuances.length <= 2);
      seen.push(...serialsOf(answer.issuances));
      cursor = answer.nextCursor;
      if (cursor === "") break;
      if (page === 1) await enrol(on, "meanwhile");
    }
    assert.equal(new Set(seen).size, seen.length, "no row twice");
    assert.deepEqual(seen.slice(0, all.length), all);
  });
}

test("a cursor of another question, a bad one, and questions that cannot be read are refused with what to mend", async () => {
  const client = auditOver(on.address, auditor);
  const ask = (filter: Partial<ListIssuancesRequest>) =>
    refusal(call(client, client.listIssuances, ListIssuancesRequest.fromPartial(filter)));
  const { nextCursor } = await call(client, client.listIssuances, ListIssuancesRequest.fromPartial({ pageSize: 1 }));
  assert.notEqual(nextCursor, "");
  for (const filter of [
    { cursor: nextCursor, newestFirst: true, pageSize: 1 },
    { cursor: "nonsense" },
    { serial: "XY" },
    { lineage: "1" },
    { spiffeIdPrefix: "spiffe://example.test/" },
    { spiffeId: "spiffe://a.test/x", spiffeIdPrefix: "spiffe://a.test" },
    { pageSize: 1001 },
  ]) {
    const { mca, details } = await ask(filter);
    assert.equal(mca, "MCA_QUERY_INVALID", JSON.stringify(filter));
    assert.ok(details.length > 20);
  }
});

test("the local socket and an auditor over mTLS see the same", async () => {
  assert.deepEqual(serialsOf(await listed(on)), serialsOf(await query({})));
});
