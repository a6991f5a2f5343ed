import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type CommitResult, type Ledger, LedgerError } from "../../../src/ca/ledger/index.ts";
import { CommittedIntent, markCommitted } from "../../../src/ca/ledger/intent.ts";
import { sqlTime } from "../../../src/ca/store/index.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { until } from "../../support/until.ts";
import { checkLog } from "./invariants.ts";
import { AUTHORITY, hexOf, intentOf, OTHER_AUTHORITY, openLedger, reopenLedger, START, TestClock } from "./support.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const MINUTE = 60_000;
const sql = (text: string) => ({ name: "", text });

function indexOf(result: CommitResult): bigint {
  assert.equal(result.kind, "committed");
  return result.kind === "committed" ? result.intent.logIndex : -1n;
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
    return "ok";
  } catch (error) {
    assert.ok(error instanceof LedgerError, String(error));
    return error.code;
  }
}

let database: TestDatabase;
let ledger: Ledger;
let clock: TestClock;

beforeEach(async () => {
  database = await createTestDatabase();
  clock = new TestClock();
  ledger = await openLedger(database.app, { clock });
});
afterEach(async () => {
  await ledger.close();
  await checkLog(database.owner);
  await database.close();
});

describe("who may sign, read again under the lock", () => {
  const set = (state: string, authority = AUTHORITY) =>
    database.owner.query(sql(`UPDATE authority SET state = '${state}' WHERE spki_sha256 = '\\x${authority}'`));

  test("an authority that was given up elsewhere a moment ago signs nothing more, whatever this process has heard", async () => {
    indexOf(await ledger.commit(intentOf()));
    for (const state of ["retired", "tainted", "revoked", "removed", "prepared", "requested"]) {
      await set(state);
      assert.equal(await codeOf(ledger.commit(intentOf())), "MCA_AUTHORITY_NOT_ACTIVE", state);
    }
    indexOf(await ledger.commit(intentOf({ authority: OTHER_AUTHORITY })));
    await set("active");
    indexOf(await ledger.commit(intentOf()));
  });

  test("who is refused for its authority does not harm who is not", async () => {
    await set("revoked");
    const codes = await Promise.all([
      codeOf(ledger.commit(intentOf())),
      codeOf(ledger.commit(intentOf({ authority: OTHER_AUTHORITY }))),
      codeOf(ledger.commit(intentOf())),
    ]);
    assert.deepEqual(codes, ["MCA_AUTHORITY_NOT_ACTIVE", "ok", "MCA_AUTHORITY_NOT_ACTIVE"]);
  });

  test("an authority that nobody knows signs nothing; one that is being tried signs a probe and nothing else", async () => {
    assert.equal(await codeOf(ledger.commit(intentOf({ authority: hexOf("nobody") }))), "MCA_AUTHORITY_NOT_ACTIVE");
    const probe = { kind: "svid.probe", spiffeId: "spiffe://example.test/mesh-ca/probe" } as const;
    assert.equal(await codeOf(ledger.commit(intentOf(probe))), "MCA_AUTHORITY_NOT_ACTIVE");
    await set("requested");
    assert.equal(await codeOf(ledger.commit(intentOf(probe))), "ok");
  });
});

describe("commit", () => {
  test("records many at once, densely and in few transactions, and each before its promise resolves", async () => {
    const results = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const index = indexOf(await ledger.commit(intentOf()));
        const [row] = await database.owner.query(sql(`SELECT 1 FROM ledger_entry WHERE log_index = ${index}`));
        assert.ok(row, "visible to another connection");
        return index;
      }),
    );
    assert.deepEqual(
      results.sort((a, b) => Number(a - b)),
      Array.from({ length: 100 }, (_, index) => BigInt(index)),
    );
    const [transactions] = await database.owner.query<{ count: bigint }>(
      sql("SELECT count(DISTINCT xmin::text) FROM ledger_entry"),
    );
    assert.ok((transactions?.count ?? 100n) <= 5n, `${transactions?.count} transactions`);
  });

  test("a committed intent can be taken once, and nobody but the ledger makes one", async () => {
    const result = await ledger.commit(intentOf());
    assert.ok(result.kind === "committed");
    result.intent.take();
    assert.throws(() => result.intent.take(), TypeError);
    const Forged: new (...args: unknown[]) => unknown = CommittedIntent as never;
    assert.throws(() => new Forged(Symbol("only the ledger commits"), result.intent.intent, 0n), TypeError);
    assert.ok(markCommitted(result.intent.intent, 0n) instanceof CommittedIntent);
  });

  test("one serial twice in a batch: one is recorded, the other collides, neighbours live", async () => {
    const serial = Uint8Array.of(1, ...randomBytes(16));
    const answers = await Promise.all(
      [intentOf(), intentOf({ serial }), intentOf({ serial }), intentOf()].map((intent) =>
        codeOf(ledger.commit(intent)),
      ),
    );
    assert.deepEqual(answers, ["ok", "ok", "MCA_SERIAL_COLLISION", "ok"]);
  });

  test("a serial that is in the log already collides, and neighbours of the same batch live", async () => {
    const serial = Uint8Array.of(1, ...randomBytes(16));
    await ledger.commit(intentOf({ serial }));
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => codeOf(ledger.commit(intentOf(index === 13 ? { serial } : {})))),
    );
    assert.deepEqual(
      answers,
      Array.from({ length: 20 }, (_, index) => (index === 13 ? "MCA_SERIAL_COLLISION" : "ok")),
    );
  });

  test("what the database refuses for a reason of its own refuses one request, not its neighbours or their outcomes", async () => {
    await database.owner.query(
      sql(`CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN IF new.spiffe_id LIKE '%poison' THEN RAISE EXCEPTION 'poison'; END IF; RETURN new; END $$;
           CREATE TRIGGER poison BEFORE INSERT ON issuance FOR EACH ROW EXECUTE FUNCTION poison()`),
    );
    const first = indexOf(await ledger.commit(intentOf()));
    ledger.reportOutcome({ logIndex: first, result: "signed", signature: randomBytes(70) });
    const answers = await Promise.all(
      Array.from({ length: 9 }, (_, index) =>
        codeOf(ledger.commit(intentOf(index === 4 ? { spiffeId: "spiffe://example.test/poison" } : {}))),
      ),
    );
    assert.deepEqual(
      answers,
      Array.from({ length: 9 }, (_, index) => (index === 4 ? "MCA_LEDGER_UNAVAILABLE" : "ok")),
    );
    await ledger.close();
    const [outcome] = await database.owner.query<{ log_index: bigint }>(sql("SELECT log_index FROM outcome"));
    assert.equal(outcome?.log_index, first);
  });

  test("an entry over 65,535 bytes, a NUL, broken Unicode and an endless name are refused before the commit", async () => {
    const answers = await Promise.all([
      codeOf(ledger.commit(intentOf({ attributes: new Map([["k8s-prod.note", "x".repeat(66_000)]]) }))),
      codeOf(ledger.commit(intentOf({ requester: "jwt:a:\0" }))),
      codeOf(ledger.commit(intentOf({ attributes: new Map([["k8s-prod.note", "\ud800"]]) }))),
      codeOf(ledger.commit(intentOf({ requester: `jwt:a:${"x".repeat(3_000)}` }))),
      codeOf(
        ledger.commit(
          intentOf({ requester: `jwt:a:${"x".repeat(2_000)}`, spiffeId: `spiffe://e/${"x".repeat(2_000)}` }),
        ),
      ),
    ]);
    assert.deepEqual(answers, [
      "MCA_ENTRY_TOO_LARGE",
      "MCA_ENTRY_INVALID",
      "MCA_ENTRY_INVALID",
      "MCA_ENTRY_INVALID",
      "ok",
    ]);
  });

  test("more waiting than the bound: the rest is refused at once as overloaded, the others are recorded", async () => {
    const small = await reopenLedger(database.app, { maxQueued: 50 });
    const answers = await Promise.all(Array.from({ length: 200 }, () => codeOf(small.commit(intentOf()))));
    assert.equal(answers.filter((code) => code === "ok").length, 50);
    assert.equal(answers.filter((code) => code === "MCA_LEDGER_OVERLOADED").length, 150);
    await small.close();
  });

  test("after close nothing is accepted", async () => {
    await ledger.close();
    assert.equal(await codeOf(ledger.commit(intentOf())), "MCA_LEDGER_UNAVAILABLE");
  });
});

describe("outcomes", () => {
  test("they travel with the next batch as one entry, and can be asked for meanwhile", async () => {
    const indexes = (await Promise.all([1, 2, 3].map(() => ledger.commit(intentOf())))).map(indexOf);
    for (const logIndex of indexes) ledger.reportOutcome({ logIndex, result: "signed", signature: randomBytes(70) });
    assert.equal(ledger.pendingOutcome(0n)?.result, "signed");
    await ledger.commit(intentOf());
    const entries = await checkLog(database.owner);
    assert.deepEqual(
      entries.map(({ kind }) => kind),
      ["svid.x509", "svid.x509", "svid.x509", "svid.x509", "svid.outcome"],
    );
    assert.equal(ledger.pendingOutcome(0n), undefined);
  });

  test("without another intent they are recorded within about a second", async () => {
    const logIndex = indexOf(await ledger.commit(intentOf()));
    ledger.reportOutcome({ logIndex, result: "failed" });
    await until(async () => (await checkLog(database.owner)).length >= 2, "there is an outcome");
    assert.equal((await checkLog(database.owner)).at(-1)?.kind, "svid.outcome");
  });

  test("a thousand RSA signatures are spread over entries that fit", async () => {
    const results = await Promise.all(Array.from({ length: 300 }, () => ledger.commit(intentOf())));
    for (const result of results) {
      ledger.reportOutcome({ logIndex: indexOf(result), result: "signed", signature: randomBytes(512) });
    }
    await ledger.close();
    const entries = await checkLog(database.owner);
    const outcomes = entries.filter(({ kind }) => kind === "svid.outcome");
    assert.ok(outcomes.length >= 4);
  });

  test("a run that overlaps another is refused: an issuance ends once, whichever replica tells it", async () => {
    const indexes = (await Promise.all([1, 2, 3, 4].map(() => ledger.commit(intentOf())))).map(indexOf);
    for (const logIndex of indexes.slice(0, 3)) ledger.reportOutcome({ logIndex, result: "failed" });
    await ledger.close();
    const told = () => database.owner.query(sql("SELECT log_index, last_index FROM outcome ORDER BY log_index"));
    const first = [{ log_index: 0n, last_index: 2n }];
    assert.deepEqual(await told(), first);
    const replica = await reopenLedger(database.app);
    replica.reportOutcome({ logIndex: 1n, result: "failed" });
    replica.reportOutcome({ logIndex: 3n, result: "failed" });
    await replica.close();
    assert.deepEqual(await told(), [...first, { log_index: 3n, last_index: 3n }]);
    await checkLog(database.owner);
  });

  test("an outcome twice is a bug of the caller's", async () => {
    const logIndex = indexOf(await ledger.commit(intentOf()));
    ledger.reportOutcome({ logIndex, result: "failed" });
    assert.throws(() => ledger.reportOutcome({ logIndex, result: "failed" }), TypeError);
    assert.throws(() => ledger.reportOutcome({ logIndex: 7n, result: "signed" }), TypeError);
  });
});

describe("rules", () => {
  const rule = (revision: bigint) => ({ rule: { name: "shop", revision } });
  const put = (revision: number) =>
    ledger.transact((tx) =>
      tx.query(
        sql(`INSERT INTO identity_rule (name, source, revision, definition, updated_at) VALUES ('shop', 'api', ${revision}, '{}', $1)
             ON CONFLICT (name) DO UPDATE SET revision = excluded.revision`),
        [sqlTime(START)],
      ),
    );

  test("an intent under another revision, or under a deleted rule, is dropped; its neighbours are not", async () => {
    await put(1);
    assert.equal(await codeOf(ledger.commit(intentOf(rule(1n)))), "ok");
    await put(2);
    const answers = await Promise.all(
      [rule(1n), rule(2n), {}, rule(3n)].map((fields) => codeOf(ledger.commit(intentOf(fields)))),
    );
    assert.deepEqual(answers, ["MCA_RULE_CHANGED", "ok", "ok", "MCA_RULE_CHANGED"]);
    await ledger.transact((tx) => tx.query(sql("DELETE FROM identity_rule WHERE name = 'shop'")));
    assert.equal(await codeOf(ledger.commit(intentOf(rule(2n)))), "MCA_RULE_CHANGED");
  });

  test("a change by another replica counts for the very next commit", async () => {
    const other = await reopenLedger(await database.open("mesh_ca_app"));
    await put(1);
    for (let revision = 2; revision < 30; revision += 1) {
      assert.equal(await codeOf(other.commit(intentOf(rule(BigInt(revision - 1))))), "ok");
      await put(revision);
      assert.equal(await codeOf(other.commit(intentOf(rule(BigInt(revision - 1))))), "MCA_RULE_CHANGED");
    }
    await other.close();
  });

  test("a change of a rule without the head lock waits for it all the same", async () => {
    await put(1);
    let changed: Promise<unknown> | undefined;
    await ledger.transact(async () => {
      changed = database.app.query(sql("UPDATE identity_rule SET revision = 2"));
      await sleep(200);
      const rows = await database.owner.query<{ revision: bigint }>(sql("SELECT revision FROM identity_rule"));
      assert.deepEqual(rows, [{ revision: 1n }], "still waiting");
    });
    await changed;
    assert.equal(await codeOf(ledger.commit(intentOf(rule(1n)))), "MCA_RULE_CHANGED");
  });
});

describe("join tokens", () => {
  const secret = randomBytes(32);
  const spki = hexOf("key of the host");
  const enrol = (fields: { spkiSha256?: string; replacing?: bigint; id?: string } = {}) => {
    const { id = randomUUID(), ...rest } = fields;
    return intentOf({ spkiSha256: spki, lineage: { kind: "open", id }, token: { secretSha256: secret }, ...rest });
  };
  beforeEach(async () => {
    await database.owner.query(
      sql(`INSERT INTO join_token (secret_sha256, id, attestor, attributes, created_at, created_by, expires_at)
           VALUES ($1, $2, 'token', '{}', $3, 'test', $4)`),
      [secret, randomUUID(), sqlTime(START), sqlTime(START + 10 * MINUTE)],
    );
  });

  test("fifty racers with different keys on two replicas: exactly one wins", async () => {
    const other = await reopenLedger(await database.open("mesh_ca_app"), { clock });
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        codeOf((index % 2 === 0 ? ledger : other).commit(enrol({ spkiSha256: hexOf(`racer ${index}`) }))),
      ),
    );
    assert.equal(answers.filter((code) => code === "ok").length, 1);
    assert.equal(answers.filter((code) => code === "MCA_TOKEN_REDEEMED").length, 49);
    await other.close();
    const rows = await database.owner.query(sql("SELECT 1 FROM lineage"));
    assert.equal(rows.length, 1, "one lineage");
  });

  test("the same key again is given the recorded certificate for five minutes, then no more", async () => {
    const first = indexOf(await ledger.commit(enrol()));
    assert.deepEqual(await ledger.commit(enrol()), { kind: "replay", logIndex: first });
    clock.advance(5 * MINUTE);
    assert.deepEqual(await ledger.commit(enrol()), { kind: "replay", logIndex: first });
    assert.equal(await codeOf(ledger.commit(enrol({ spkiSha256: hexOf("thief") }))), "MCA_TOKEN_REDEEMED");
    clock.advance(1);
    assert.equal(await codeOf(ledger.commit(enrol())), "MCA_TOKEN_REDEEMED");
    assert.equal((await checkLog(database.owner)).length, 1);
  });

  test("fifty retries of one key at once give one certificate", async () => {
    const results = await Promise.all(Array.from({ length: 50 }, () => ledger.commit(enrol())));
    assert.equal(results.filter(({ kind }) => kind === "committed").length, 1);
    assert.ok(results.every((result) => (result.kind === "replay" ? result.logIndex : indexOf(result)) === 0n));
  });

  test("a certificate that was never signed is replaced, without five more minutes", async () => {
    const first = indexOf(await ledger.commit(enrol()));
    clock.advance(4 * MINUTE);
    const second = indexOf(await ledger.commit(enrol({ replacing: first })));
    assert.deepEqual(await ledger.commit(enrol({ replacing: first })), { kind: "replay", logIndex: second });
    clock.advance(2 * MINUTE);
    assert.equal(await codeOf(ledger.commit(enrol({ replacing: second }))), "MCA_TOKEN_REDEEMED");
  });

  test("unknown, expired and voided tokens are refused, each by its own code", async () => {
    const unknown = intentOf({ lineage: { kind: "open", id: randomUUID() }, token: { secretSha256: randomBytes(32) } });
    assert.equal(await codeOf(ledger.commit(unknown)), "MCA_TOKEN_UNKNOWN");
    clock.advance(10 * MINUTE);
    assert.equal(await codeOf(ledger.commit(enrol())), "MCA_TOKEN_EXPIRED");
    clock.advance(-1);
    await ledger.transact((tx) => tx.query(sql("UPDATE join_token SET voided_at = $1"), [sqlTime(clock.now())]));
    assert.equal(await codeOf(ledger.commit(enrol())), "MCA_TOKEN_VOIDED");
  });
});

describe("lineages", () => {
  const id = randomUUID();
  let serialA: string;
  const open = async () => {
    const intent = intentOf({ spkiSha256: hexOf("A"), lineage: { kind: "open", id } });
    await ledger.commit(intent);
    return hex(intent.fields.serial);
  };
  /** Renews by `presentedSerial` for `key`; answers the new serial. */
  const renew = async (presentedSerial: string, key: string, by: Ledger = ledger, replacing?: bigint) => {
    const intent = intentOf({
      spkiSha256: hexOf(key),
      issuedAt: clock.now(),
      notAfter: clock.now() + 60 * MINUTE,
      lineage: { kind: "renew", id, presentedSerial },
      ...(replacing === undefined ? {} : { replacing }),
    });
    const result = await by.commit(intent);
    return { result, serial: hex(intent.fields.serial) };
  };
  const frozen = async () => ledger.lineages.isFrozen(id);
  beforeEach(async () => {
    serialA = await open();
  });

  test("a chain of renewals, each by the newest certificate", async () => {
    let serial = serialA;
    for (const key of ["B", "C", "D"]) serial = (await renew(serial, key)).serial;
    assert.equal(await frozen(), false);
    const record = await ledger.lineages.find({ serial, spkiSha256: hexOf("D") });
    assert.ok(record.kind === "lineage");
    assert.deepEqual(record.lineage.attributes.get("k8s-prod.namespace"), "shop");
  });

  test("a lost answer does no harm: the parent renews again, and the newer child supersedes the older", async () => {
    await renew(serialA, "B");
    const c = await renew(serialA, "C");
    const d = await renew(c.serial, "D");
    assert.equal(d.result.kind, "committed");
    assert.equal(await frozen(), false);
  });

  test("theft: a superseded child that is presented freezes the lineage, with an entry, for good", async () => {
    const b = await renew(serialA, "B");
    const c = await renew(serialA, "C");
    assert.equal(await codeOf(renew(b.serial, "E")), "MCA_LINEAGE_FROZEN");
    assert.equal(await frozen(), true);
    assert.equal(await codeOf(renew(c.serial, "F")), "MCA_LINEAGE_FROZEN", "the other holder too");
    const last = (await checkLog(database.owner)).at(-1);
    assert.equal(last?.kind, "lineage.frozen");
    assert.equal(last?.fields["presented"], b.serial);
    assert.equal(last?.fields["cause"], "superseded-certificate-presented");
  });

  test("theft: the parent of a child that was used, on another replica that has not heard of it", async () => {
    const b = await renew(serialA, "B");
    ledger.lineages.markUsed(b.serial);
    await ledger.commit(intentOf()); // the mark travels with any batch
    const other = await reopenLedger(await database.open("mesh_ca_app"), { clock });
    assert.equal(await codeOf(renew(serialA, "thief", other)), "MCA_LINEAGE_FROZEN");
    assert.equal(await codeOf(renew(b.serial, "C")), "MCA_LINEAGE_FROZEN");
    await other.close();
  });

  test("theft: an ancestor whose grandchild renews", async () => {
    const b = await renew(serialA, "B");
    await renew(b.serial, "C");
    assert.equal(await codeOf(renew(serialA, "thief")), "MCA_LINEAGE_FROZEN");
  });

  test("thief and victim in one batch: nothing is issued after the freeze, neighbours live", async () => {
    const b = await renew(serialA, "B");
    const c = await renew(b.serial, "C");
    const answers = await Promise.all([
      codeOf(renew(c.serial, "D")),
      codeOf(renew(serialA, "E")),
      codeOf(renew(b.serial, "F")),
      codeOf(renew(c.serial, "G")),
      codeOf(ledger.commit(intentOf())),
    ]);
    assert.deepEqual(answers, ["ok", "MCA_LINEAGE_FROZEN", "MCA_LINEAGE_FROZEN", "MCA_LINEAGE_FROZEN", "ok"]);
    assert.equal(await frozen(), true);
    const entries = (await checkLog(database.owner)).filter(({ kind }) => kind === "lineage.frozen");
    assert.equal(entries.length, 1, "one alarm");
  });

  test("a mark is in force for the decisions of its own batch", async () => {
    const b = await renew(serialA, "B");
    ledger.lineages.markUsed(b.serial);
    assert.equal(await codeOf(renew(serialA, "C")), "MCA_LINEAGE_FROZEN");
  });

  test("a mark for a certificate that is no longer the newest changes nothing", async () => {
    await renew(serialA, "B");
    ledger.lineages.markUsed(serialA);
    assert.equal(await codeOf(renew(serialA, "C")), "ok");
  });

  test("the same key again is a retry: no new child, whichever certificate presents it", async () => {
    const b = await renew(serialA, "B");
    const again = await renew(serialA, "B");
    const bySelf = await renew(b.serial, "B");
    assert.deepEqual([again.result.kind, bySelf.result.kind], ["replay", "replay"]);
    assert.equal((await checkLog(database.owner)).length, 2);
  });

  test("twenty retries in one batch: one child", async () => {
    const results = await Promise.all(Array.from({ length: 20 }, () => renew(serialA, "B")));
    assert.equal(results.filter(({ result }) => result.kind === "committed").length, 1);
  });

  test("a child that was never signed is replaced", async () => {
    const b = await renew(serialA, "B");
    const again = await renew(serialA, "B", ledger, indexOf(b.result));
    assert.equal(again.result.kind, "committed");
    assert.equal((await renew(again.serial, "C")).result.kind, "committed");
  });

  test("after a third of its life the same key is an ordinary renewal", async () => {
    const b = await renew(serialA, "B");
    clock.advance(21 * MINUTE);
    assert.equal((await renew(b.serial, "B")).result.kind, "committed");
  });

  test("the quota: a burst, then as many an hour as configured; a clock that jumps back gives nothing away", async () => {
    const strict = await reopenLedger(await database.open("mesh_ca_app"), {
      clock,
      lineageQuota: { burst: 3, perHour: 6 },
    });
    let serial = serialA;
    const next = async (key: string) => {
      const attempt = renew(serial, key, strict);
      const code = await codeOf(attempt);
      if (code === "ok") serial = (await attempt).serial;
      return code;
    };
    // Opened under the default quota of 20: the bucket holds no more than its own burst now.
    assert.deepEqual(
      [await next("1"), await next("2"), await next("3"), await next("4")],
      ["ok", "ok", "ok", "MCA_QUOTA_EXCEEDED"],
    );
    clock.advance(9 * MINUTE);
    assert.equal(await next("5"), "MCA_QUOTA_EXCEEDED");
    clock.advance(MINUTE);
    assert.equal(await next("5"), "ok");
    clock.advance(-MINUTE / 2);
    assert.equal(await next("6"), "MCA_QUOTA_EXCEEDED");
    assert.equal(await frozen(), false, "a quota is not a theft");
    await strict.close();
  });

  test("the quota outlives a clock that was years ahead: nobody is locked out, and nobody gets more than one burst", async () => {
    const strict = await reopenLedger(await database.open("mesh_ca_app"), {
      clock,
      lineageQuota: { burst: 3, perHour: 6 },
    });
    let serial = serialA;
    let key = 0;
    const drain = async () => {
      for (let taken = 0; ; taken++) {
        const attempt = renew(serial, `drain ${key++}`, strict);
        if ((await codeOf(attempt)) !== "ok") return taken;
        serial = (await attempt).serial;
      }
    };
    const years = 10 * 365 * 24 * 60 * MINUTE;
    assert.equal(await drain(), 3);
    clock.advance(years);
    assert.equal(await drain(), 3, "the present burst, under the wrong clock");
    clock.advance(-years);
    assert.equal(await drain(), 1, "what lets the bucket's time begin anew");
    clock.advance(20 * MINUTE);
    assert.equal(await drain(), 2);
    await strict.close();
  });

  test("a lineage that is not there cannot renew", async () => {
    const intent = intentOf({ lineage: { kind: "renew", id: randomUUID(), presentedSerial: serialA } });
    assert.equal(await codeOf(ledger.commit(intent)), "MCA_LINEAGE_UNKNOWN");
  });

  test("frozen by hand: renewals stop, the log says who and why, and again changes nothing", async () => {
    await ledger.lineages.freeze(id, { cause: "host lost", requester: "alice" });
    await ledger.lineages.freeze(id, { cause: "host lost", requester: "bob" });
    assert.equal(await codeOf(renew(serialA, "B")), "MCA_LINEAGE_FROZEN");
    const entries = (await checkLog(database.owner)).filter(({ kind }) => kind === "lineage.frozen");
    assert.deepEqual(
      entries.map(({ fields }) => fields["requester"]),
      ["alice"],
    );
    await assert.rejects(ledger.lineages.freeze(randomUUID(), { cause: "x", requester: "y" }), {
      code: "MCA_NOT_FOUND",
    });
  });

  test("lineages are found by serial and key, from memory and from the database, also many at once", async () => {
    const b = await renew(serialA, "B");
    const cold = await reopenLedger(await database.open("mesh_ca_app"));
    const asked = [
      [serialA, "A"],
      [b.serial, "B"],
      ["00ff", "A"],
      ["not hex", "A"],
      [serialA, "A"],
    ] as const;
    const find = (on: Ledger, serial: string, key: string) => on.lineages.find({ serial, spkiSha256: hexOf(key) });
    const found = await Promise.all(asked.map(([serial, key]) => find(cold, serial, key)));
    assert.deepEqual(
      found.map((record) => (record.kind === "lineage" ? record.lineage.id : record.kind)),
      [id, id, "unrecorded", "unrecorded", id],
    );
    assert.deepEqual(found[1], await find(ledger, b.serial, "B"));
    await cold.close();
  });

  test("a serial number under another key than the recorded one is no certificate of ours, in memory or not", async () => {
    const forged = { serial: serialA, spkiSha256: hexOf("thief") };
    const cold = await reopenLedger(await database.open("mesh_ca_app"));
    for (const on of [ledger, cold, cold]) {
      assert.equal((await on.lineages.find(forged)).kind, "unrecorded");
      assert.equal((await on.lineages.find({ serial: serialA, spkiSha256: hexOf("A") })).kind, "lineage");
    }
    await cold.close();
  });
});
