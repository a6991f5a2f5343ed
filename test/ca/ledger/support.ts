// Intents and ledgers for the tests of the ledger. The certificates are not real: the ledger records bytes.
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { Intent, type IntentFields, Ledger, type LedgerOptions } from "../../../src/ca/ledger/index.ts";
import { initialiseLedger } from "../../../src/ca/ledger/initialise.ts";
import { type Database, sqlTime } from "../../../src/ca/store/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";

export const START = Date.UTC(2026, 6, 1, 12);
export const AUTHORITY = createHash("sha256").update("authority").digest("hex");
/** Signs for replica 2. */
export const OTHER_AUTHORITY = createHash("sha256").update("another authority").digest("hex");

/** A clock that stands still until it is told. */
export class TestClock {
  time = START;
  now(): number {
    return this.time;
  }
  advance(ms: number): void {
    this.time += ms;
  }
}

export function hexOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

export function newSerial(): Uint8Array {
  return Uint8Array.of(1, ...randomBytes(16));
}

/** Fields of an intent that belongs to no lineage and no rule; override what matters. */
export function fieldsOf(overrides: Partial<IntentFields> = {}): IntentFields {
  return {
    kind: "svid.x509",
    serial: newSerial(),
    spiffeId: "spiffe://example.test/ns/shop/sa/cart",
    tbs: randomBytes(420),
    spkiSha256: randomBytes(32).toString("hex"),
    authority: AUTHORITY,
    notBefore: START - 60_000,
    notAfter: START + 3_600_000,
    issuedAt: START,
    requester: "jwt:k8s-prod:system:serviceaccount:shop:cart",
    requesterAddress: "192.0.2.7",
    requestId: randomUUID(),
    attestor: "k8s-prod",
    attributes: new Map([
      ["k8s-prod.namespace", "shop"],
      ["k8s-prod.serviceAccount", "cart"],
    ]),
    lineage: { kind: "none" },
    ...overrides,
  };
}

export function intentOf(overrides: Partial<IntentFields> = {}): Intent {
  return new Intent(fieldsOf(overrides));
}

/** Initialises the database, with two authorities that sign, and opens a ledger on it. */
export async function openLedger(database: Database, options: Partial<LedgerOptions> = {}): Promise<Ledger> {
  await initialiseLedger(database, { trustDomain: "example.test", development: false, createdAt: START });
  for (const [replica, authority] of [AUTHORITY, OTHER_AUTHORITY].entries()) {
    await database.query(
      {
        name: "",
        text: "INSERT INTO authority (spki_sha256, replica, state, upstream, created_at) VALUES ($1, $2, 'active', 'test', $3)",
      },
      [Buffer.from(authority, "hex"), replica + 1, sqlTime(START)],
    );
  }
  return reopenLedger(database, options);
}

/** Opens a ledger on an initialised database. */
export function reopenLedger(database: Database, options: Partial<LedgerOptions> = {}): Promise<Ledger> {
  return Ledger.open({ database, clock: new TestClock(), logger: silentLogger, ...options });
}
