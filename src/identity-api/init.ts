// `mesh-ca init`: creates a trust domain, once. The only place that makes a trust domain's first authority (invariant 2).
// Every step leaves a state from which the same command goes on, so that an interrupted init is simply run again.
import {
  AuthorityError,
  AuthorityManager,
  type Database,
  initialiseLedger,
  Ledger,
  trustDomainOf,
} from "../ca/index.ts";
import { type Clock, Lifecycle, type Logger, type RandomSource, systemClock, systemRandom } from "../runtime/index.ts";
import { TrustDomain } from "../spiffe/index.ts";
import { AdminSocket } from "./admin-socket.ts";
import { sheetOf } from "./ceremony.ts";
import type { Config } from "./config/index.ts";
import { type DataDir, dataDirOf, prepareDataDir } from "./data-dir.ts";
import { configuredRules, GrantedDnsNames } from "./granted-dns-names.ts";
import { openKeyStore } from "./key-store.ts";
import { openServerDatabase } from "./open-database.ts";
import { authoritySettings } from "./settings.ts";
import { openUpstream, probing } from "./upstream.ts";

export interface InitialiseOptions {
  readonly config: Config;
  /** A laptop's trust domain: the admin socket asks for no reason. */
  readonly development: boolean;
  /** Upstream offline: what the request's file will be called, for the commands of the sheet. */
  readonly csrFile?: string | undefined;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: RandomSource;
}

export interface Initialised {
  readonly trustDomain: string;
  readonly dataDir: string;
  /** SHA-256 of the first authority's SubjectPublicKeyInfo, lower-case hex. */
  readonly authority: string;
  /** Upstream offline: what is to be signed before anything can be issued. */
  readonly request: InitialRequest | undefined;
}

export interface InitialRequest {
  /** PKCS#10, DER. */
  readonly csr: Uint8Array;
  /** One page for those who sign. Plain text. */
  readonly sheet: string;
}

interface Initialising {
  readonly options: InitialiseOptions;
  readonly dir: DataDir;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly lifecycle: Lifecycle;
}

/**
 * Creates data directory, schema, trust domain and first authority. An init that was interrupted may be run again, and so may one
 * whose request still waits for a signature: it gives the same request.
 * @throws AuthorityError MCA_ALREADY_INITIALISED on a second run; StoreError, ApiError, ConfigError
 */
export async function initialise(options: InitialiseOptions): Promise<Initialised> {
  const lifecycle = new Lifecycle(options.logger);
  try {
    return await run({
      options,
      dir: dataDirOf(options.config),
      trustDomain: TrustDomain.parse(options.config.trustDomain),
      clock: options.clock ?? systemClock,
      random: options.random ?? systemRandom,
      lifecycle,
    });
  } finally {
    await lifecycle.close();
  }
}

async function run(init: Initialising): Promise<Initialised> {
  const { options, dir, trustDomain, clock, random, lifecycle } = init;
  const { config, logger } = options;
  await prepareDataDir(dir, { create: true });
  const lock = await AdminSocket.open(dir.run, random);
  lifecycle.add("admin socket", () => lock.close());
  const database = await openServerDatabase({ config, dataDir: dir.path, initialise: true, lifecycle, clock, logger });
  await claim(database, init);
  const ledger = await Ledger.open({ database, clock, logger });
  lifecycle.add("ledger", () => ledger.close());
  await recordBeginning(ledger, database, clock);
  const dnsNames = new GrantedDnsNames(config);
  const rules = configuredRules(config, trustDomain);
  dnsNames.follow(() => rules);
  const dnsGrants = () => dnsNames.current();
  const { spkiSha256, request } = await AuthorityManager.initialise({
    ledger,
    database,
    keyStore: await openKeyStore(config, { random, logger }),
    upstream: await openUpstream(config, { trustDomain, dnsGrants, clock, logger }),
    dnsGrants,
    dedicatedRoot: config.operations.dedicatedRoot,
    ...probing(clock),
    clock,
    random,
    trustDomain,
    replica: config.replica,
    settings: authoritySettings(config),
    logger,
  });
  logger.info(
    { event: "init.done", trustDomain: trustDomain.name, authority: spkiSha256, waits: request !== undefined },
    request === undefined ? "the trust domain is ready" : "the trust domain waits for its authority to be signed",
  );
  const sheet = request === undefined ? "" : sheetOf(request, trustDomain, authoritySettings(config), options.csrFile);
  return {
    trustDomain: trustDomain.name,
    dataDir: dir.path,
    authority: spkiSha256,
    request: request === undefined ? undefined : { csr: request.csr, sheet },
  };
}

/** Whose database is this? Nobody's: ours from now on. Ours: go on, the authority decides. Another's: refused. */
async function claim(database: Database, { options, trustDomain, clock }: Initialising): Promise<void> {
  const record = await trustDomainOf(database);
  if (record === undefined) {
    await initialiseLedger(database, {
      trustDomain: trustDomain.name,
      development: options.development,
      createdAt: clock.now(),
    });
    return;
  }
  if (record.trustDomain !== trustDomain.name || record.development !== options.development) {
    throw new AuthorityError(
      "MCA_ALREADY_INITIALISED",
      `This database already belongs to the ${record.development ? "development " : ""}trust domain ${record.trustDomain}. A database belongs to one trust domain for ever: use an empty one for ${trustDomain.name}.`,
      { details: { found: record.trustDomain, expected: trustDomain.name } },
    );
  }
}

async function recordBeginning(ledger: Ledger, database: Database, clock: Clock): Promise<void> {
  const record = await trustDomainOf(database);
  if (record === undefined || ledger.health().size > 0n) return;
  await ledger.transact(async (tx) => {
    const { trustDomain, origin, development } = record;
    tx.append({ kind: "trust-domain.initialised", time: clock.now(), trustDomain, origin, development });
  });
}
