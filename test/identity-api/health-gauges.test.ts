// /metrics says continuously what the doctor looks at: real values, and none where there is nothing to tell.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { systemClock } from "../../src/runtime/index.ts";
import { closeClients, startTestServer, type TestServer, until } from "../e2e/fixture.ts";

after(closeClients);

async function metric(on: TestServer, name: string): Promise<number | undefined> {
  const { host, port } = on.server.addresses.operations;
  const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
  const value = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, "m").exec(text)?.[1];
  return value === undefined ? undefined : Number(value);
}

test("readiness, ends, sequence, clocks, room and lost outcomes are told", async () => {
  const first = await startTestServer();
  await first.stop();
  const [row] = (await first.database?.owner.query<{ index: bigint }>({
    name: "",
    text: "SELECT min(log_index) AS index FROM outcome",
  })) ?? [{ index: 0n }];
  const run = async (text: string): Promise<void> => void (await first.database?.owner.query({ name: "", text }));
  await run(`DELETE FROM outcome WHERE log_index = ${row?.index}`);
  await run(`UPDATE ledger_span SET outcomes = outcomes - 1 WHERE block = ${row?.index} >> 12`);
  // Three seconds ahead, and late enough that the lost outcome is one.
  await run("UPDATE issuance SET issued_at = issued_at - interval '2 minutes'");
  const on = await startTestServer({ again: first, clock: { now: () => systemClock.now() + 3_000 } });
  try {
    assert.equal(await metric(on, "mesh_ca_ready"), 1);
    await until(async () => (await metric(on, "mesh_ca_issuances_without_outcome")) !== undefined, "it has looked");
    assert.equal(await metric(on, "mesh_ca_issuances_without_outcome"), 1);
    assert.ok(Math.abs(((await metric(on, "mesh_ca_clock_difference_seconds")) ?? 0) - 3) < 0.5);
    const week = Date.now() / 1000 + 7 * 86_400;
    assert.ok(Math.abs(((await metric(on, "mesh_ca_authority_end_seconds")) ?? 0) - week) < 120);
    assert.ok(Math.abs(((await metric(on, "mesh_ca_root_end_seconds")) ?? 0) - week) < 120);
    assert.equal(await metric(on, "mesh_ca_bundle_sequence"), 1);
    assert.ok(((await metric(on, "mesh_ca_disk_free_bytes")) ?? 0) > 1_000_000);
  } finally {
    await on.close();
  }
});

test("a server that does not issue says 0", async () => {
  const first = await startTestServer();
  await first.stop();
  await first.database?.owner.query({ name: "", text: "UPDATE authority SET state = 'tainted'" });
  const on = await startTestServer({ again: first });
  try {
    assert.equal(await metric(on, "mesh_ca_ready"), 0);
    assert.equal(await metric(on, "mesh_ca_authority_end_seconds"), undefined);
  } finally {
    await on.close();
  }
});
