import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { getIssuance, type IssuanceQuery, type Ledger, listIssuances } from "../../../src/ca/ledger/index.ts";
import type { Database } from "../../../src/ca/store/index.ts";
import { parseCertificate, sha256, toHex } from "../../../src/x509/index.ts";
import { createLeaf, createRoot } from "../../support/pki.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { AUTHORITY, intentOf, newSerial, OTHER_AUTHORITY, openLedger, START } from "./support.ts";

const HOUR = 3_600_000;
const CART = "spiffe://example.test/ns/shop/sa/cart";
const PAY = "spiffe://example.test/ns/shop/sa/pay";
const SHOPPING = "spiffe://example.test/ns/shopping/sa/x";
const LINEAGE = "11111111-2222-4333-8444-555555555555";

describe("audit queries", () => {
  let files: TestDatabase;
  let database: Database;
  let ledger: Ledger;
  const serials: string[] = [];

  before(async () => {
    files = await createTestDatabase();
    database = await files.open("mesh_ca_app");
    ledger = await openLedger(database);
    // Ten identities, an hour apart; the clock of whoever issued number 5 was a day behind.
    const leaf = createLeaf(createRoot(), {}).certificate;
    const ids = [CART, PAY, SHOPPING, CART, PAY, CART, CART, SHOPPING, PAY, CART];
    for (const [n, spiffeId] of ids.entries()) {
      const issuedAt = START + n * HOUR - (n === 5 ? 24 * HOUR : 0);
      const serial = newSerial();
      serials.push(toHex(serial));
      const renewal = n % 3 === 2;
      const result = await ledger.commit(
        intentOf({
          serial,
          tbs: leaf.tbs,
          spiffeId,
          issuedAt,
          notBefore: issuedAt - 60_000,
          notAfter: issuedAt + HOUR,
          requester: renewal ? spiffeId : "token:t1",
          authority: n < 8 ? AUTHORITY : OTHER_AUTHORITY,
          lineage: n === 9 ? { kind: "open", id: LINEAGE } : { kind: "none" },
        }),
      );
      assert.equal(result.kind, "committed");
      if (result.kind === "committed" && n !== 4) {
        ledger.reportOutcome({ logIndex: result.intent.logIndex, result: "signed", signature: new Uint8Array([n]) });
      }
    }
    await ledger.close();
  });
  after(() => files.close());

  /** The numbers (0 to 9) of what a query finds, page by page with `pageSize`. */
  async function find(query: IssuanceQuery, pageSize = 3): Promise<number[]> {
    const found: number[] = [];
    let cursor: string | undefined;
    do {
      const page = await listIssuances(database, { ...query, pageSize, ...(cursor === undefined ? {} : { cursor }) });
      assert.ok(page.rows.length <= pageSize);
      found.push(...page.rows.map((row) => serials.indexOf(row.serial)));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return found;
  }

  const questions: readonly (readonly [string, IssuanceQuery, number[]])[] = [
    ["everything, oldest first", {}, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ["everything, newest first", { newestFirst: true }, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]],
    ["an exact SPIFFE ID", { spiffeId: CART }, [0, 3, 5, 6, 9]],
    [
      "a prefix on a segment boundary, in order of ID",
      { spiffeIdPrefix: "spiffe://example.test/ns/shop" },
      [0, 3, 5, 6, 9, 1, 4, 8],
    ],
    [
      "a prefix, newest first",
      { spiffeIdPrefix: "spiffe://example.test/ns/shop", newestFirst: true },
      [8, 4, 1, 9, 6, 5, 3, 0],
    ],
    ["a prefix that is itself an ID", { spiffeIdPrefix: PAY }, [1, 4, 8]],
    ["a prefix inside a segment", { spiffeIdPrefix: "spiffe://example.test/ns/sho" }, []],
    ["a requester of identities for others", { requester: "token:t1" }, [0, 1, 3, 4, 6, 7, 9]],
    ["a requester that renewed itself", { requester: CART }, [5]],
    ["a requester under a prefix", { requester: PAY, spiffeIdPrefix: "spiffe://example.test/ns/shop" }, [8]],
    ["what an authority signed", { authority: OTHER_AUTHORITY }, [8, 9]],
    ["a lineage", { lineage: LINEAGE }, [9]],
    [
      "a window of time, whatever the clocks said",
      { issuedFrom: START + 2 * HOUR, issuedUntil: START + 7 * HOUR },
      [2, 3, 4, 6],
    ],
    ["a window that holds only the clock that was behind", { issuedUntil: START }, [5]],
    ["a window before everything", { issuedUntil: START - 48 * HOUR }, []],
    ["valid at a moment", { validAt: START + 2.5 * HOUR }, [2]],
    ["valid at a border: notAfter counts to the end of its second", { validAt: START + 3 * HOUR + 999 }, [2, 3]],
    ["valid before anything was", { validAt: START - 48 * HOUR }, []],
    ["without an outcome", { withoutOutcome: true }, [4]],
    ["without an outcome, by another ID", { withoutOutcome: true, spiffeId: CART }, []],
    ["several filters at once", { spiffeId: CART, requester: "token:t1", issuedFrom: START + HOUR }, [3, 6, 9]],
  ];
  for (const [name, query, expected] of questions) {
    test(`finds ${name}`, async () => {
      for (const pageSize of [1, 3, 100])
        assert.deepEqual(await find(query, pageSize), expected, `pages of ${pageSize}`);
    });
  }

  test("finds a serial, and nothing for one that was never issued", async () => {
    assert.deepEqual(await find({ serial: serials[6] ?? "" }), [6]);
    assert.deepEqual(await find({ serial: "0102" }), []);
  });

  test("a cursor of another question, or a made-up one, is refused and not misread", async () => {
    const page = await listIssuances(database, { pageSize: 2 });
    assert.ok(page.nextCursor !== undefined);
    for (const query of [{ spiffeId: CART }, { newestFirst: true }, { issuedFrom: 0 }]) {
      await assert.rejects(listIssuances(database, { ...query, cursor: page.nextCursor }), {
        code: "MCA_QUERY_INVALID",
      });
    }
    for (const cursor of ["x", "AAAA", page.nextCursor.slice(0, -8)]) {
      await assert.rejects(listIssuances(database, { cursor }), { code: "MCA_QUERY_INVALID" });
    }
  });

  test("questions that cannot be read are refused", async () => {
    const unreadable: readonly IssuanceQuery[] = [
      { pageSize: 0 },
      { pageSize: 1_001 },
      { spiffeId: CART, spiffeIdPrefix: CART },
      { spiffeIdPrefix: `${CART}/` },
      { serial: "XY" },
      { authority: "0" },
      { lineage: "1" },
    ];
    for (const query of unreadable) {
      await assert.rejects(listIssuances(database, query), { code: "MCA_QUERY_INVALID" }, JSON.stringify(query));
    }
  });

  test("text from strangers stays text", async () => {
    assert.deepEqual(await find({ spiffeId: "' OR true --", requester: "$1" }), []);
  });

  test("one issuance: entry, leaf hash and outcome", async () => {
    const record = await getIssuance(database, { serial: serials[0] ?? "" });
    assert.equal(record.row.spiffeId, CART);
    assert.deepEqual(record.leafHash, sha256(Buffer.concat([Buffer.of(0), record.entry])));
    assert.equal(record.outcome.kind, "signed");
    assert.equal((await getIssuance(database, { logIndex: record.row.logIndex })).row.serial, serials[0]);
    assert.equal((await getIssuance(database, { serial: serials[4] ?? "" })).outcome.kind, "none");
    await assert.rejects(getIssuance(database, { serial: "0102" }), { code: "MCA_NOT_FOUND" });
    await assert.rejects(getIssuance(database, { logIndex: 10_000n }), { code: "MCA_NOT_FOUND" });
  });
});

test("a certificate is rebuilt from the record byte for byte", async () => {
  const files = await createTestDatabase();
  try {
    const database = await files.open("mesh_ca_app");
    const leaf = createLeaf(createRoot(), {}).certificate;
    const ledger = await openLedger(database);
    const serial = newSerial();
    const result = await ledger.commit(intentOf({ serial, tbs: leaf.tbs }));
    assert.equal(result.kind, "committed");
    if (result.kind !== "committed") return;
    const { logIndex } = result.intent;
    assert.equal((await getIssuance(database, { logIndex })).certificate, undefined);
    ledger.reportOutcome({ logIndex, result: "signed", signature: leaf.signature });
    await ledger.close();
    const { certificate } = await getIssuance(database, { logIndex });
    assert.ok(certificate !== undefined);
    assert.deepEqual(parseCertificate(certificate).der, leaf.der);
  } finally {
    await files.close();
  }
});
