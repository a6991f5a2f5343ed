// A whole certificate authority for tests: real PostgreSQL, real ledger, real key files, a clock that stands still until it
// is moved. Close it in `after`.
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AuthorityManager,
  type AuthoritySettings,
  DEFAULT_AUTHORITY_SETTINGS,
} from "../../../src/ca/authority/index.ts";
import {
  DEFAULT_ISSUANCE_SETTINGS,
  type Grant,
  type IssuanceSettings,
  Issuer,
  type X509SvidRequest,
} from "../../../src/ca/issuance/index.ts";
import { FileKeyStore, type Sealing } from "../../../src/ca/keys/index.ts";
import { initialiseLedger, Ledger } from "../../../src/ca/ledger/index.ts";
import { type Database, sqlTime } from "../../../src/ca/store/index.ts";
import { selfSignedUpstream, type Upstream } from "../../../src/ca/upstream/index.ts";
import { type Logger, silentLogger, systemRandom } from "../../../src/runtime/index.ts";
import { SpiffeId } from "../../../src/spiffe/index.ts";
import { createTestDatabase } from "../../support/postgres.ts";
import { FakeClock, makeCsr, TRUST_DOMAIN } from "./materials.ts";

export interface WorldOptions {
  readonly authority?: Partial<AuthoritySettings>;
  readonly issuance?: Partial<IssuanceSettings>;
  readonly upstream?: Upstream;
  readonly logger?: Logger;
  readonly sealing?: Sealing;
  /** Leave the trust domain without an authority. */
  readonly uninitialised?: boolean;
}

export type World = Awaited<ReturnType<typeof createWorld>>;

export const RULE = "shop";
export const CART = SpiffeId.parse("spiffe://example.test/ns/shop/sa/cart");

export function makeGrant(fields: Partial<Grant> = {}): Grant {
  return { rule: RULE, ruleRevision: 1n, spiffeId: CART, dnsNames: [], ttlSeconds: 3600, roles: [], ...fields };
}

/** A first enrolment with a fresh key, unless told otherwise. */
export function makeRequest(fields: Partial<X509SvidRequest> = {}): X509SvidRequest {
  return {
    csrDer: fields.csrDer ?? makeCsr().der,
    grant: makeGrant(),
    requester: {
      name: "token:test",
      address: "192.0.2.7",
      requestId: "request-1",
      attestor: "token",
      attributes: new Map([["token.service", "cart"]]),
    },
    lineage: { kind: "open", id: randomUUID() },
    ...fields,
  };
}

export async function createWorld(options: WorldOptions = {}) {
  const clock = new FakeClock();
  const test = await createTestDatabase();
  // The database's clock follows the test's; the guard between the two has tests of its own.
  const skew = { ms: 0 };
  const database = withClock(test.app, async () => clock.now() + skew.ms);
  const directory = await mkdtemp(join(tmpdir(), "mesh-ca-world-"));
  const keyDirectory = join(directory, "keys");
  const keyStore = await FileKeyStore.open({ directory: keyDirectory, sealing: options.sealing });
  const logger = options.logger ?? silentLogger;
  await initialiseLedger(test.owner, { trustDomain: TRUST_DOMAIN.name, development: false, createdAt: clock.now() });
  await test.owner.query(
    {
      name: "",
      text: "INSERT INTO identity_rule (name, source, revision, definition, updated_at) VALUES ($1, 'api', 1, '{}', $2)",
    },
    [RULE, sqlTime(clock.now())],
  );
  const ledger = await Ledger.open({ database: test.app, clock, logger, lineageQuota: { burst: 1000, perHour: 1000 } });
  const settings: AuthoritySettings = { ...DEFAULT_AUTHORITY_SETTINGS, ...options.authority };
  const dependencies = {
    ledger,
    database,
    keyStore,
    upstream: options.upstream ?? selfSignedUpstream,
    clock,
    random: systemRandom,
    trustDomain: TRUST_DOMAIN,
    replica: 1,
    settings,
    logger,
    pollMs: 0,
  };
  if (options.uninitialised !== true) await AuthorityManager.initialise(dependencies);
  const authorities = await AuthorityManager.open(dependencies);
  const issuer = new Issuer({
    ledger,
    database,
    authorities,
    clock,
    random: systemRandom,
    settings: { ...DEFAULT_ISSUANCE_SETTINGS, ...options.issuance },
    logger,
  });
  await issuer.start();
  return {
    clock,
    skew,
    database,
    owner: test.owner,
    ledger,
    keyStore,
    keyDirectory,
    dependencies,
    settings,
    authorities,
    issuer,
    /** Entries of the ledger, oldest first, as parsed JSON. */
    async entries(): Promise<readonly Record<string, unknown>[]> {
      const rows = await test.owner.query<{ bytes: Uint8Array }>({
        name: "",
        text: "SELECT bytes FROM ledger_entry ORDER BY log_index",
      });
      return rows.map(({ bytes }) => JSON.parse(Buffer.from(bytes).toString("utf8")) as Record<string, unknown>);
    },
    /** How many entries there are but outcomes: those of what was issued before follow in their own time. */
    async recorded(): Promise<number> {
      return (await this.entries()).filter(({ kind }) => kind !== "svid.outcome").length;
    },
    async close(): Promise<void> {
      await issuer.close();
      await authorities.close();
      await ledger.close();
      await test.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function withClock(database: Database, databaseNow: () => Promise<number>): Database {
  return {
    databaseNow,
    query: (statement, values) => database.query(statement, values),
    transaction: (run) => database.transaction(run),
    pipeline: (...given) => database.pipeline(...given),
    listen: (channel, onNotify) => database.listen(channel, onNotify),
    close: () => database.close(),
  };
}
