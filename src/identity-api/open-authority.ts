// The certificate authority, opened: database, ledger, upstream, authorities. It creates nothing (invariant 2): that is init.ts.
import {
  AuthorityManager,
  type Database,
  Ledger,
  type TrustDomainRecord,
  trustDomainOf,
  type Upstream,
} from "../ca/index.ts";
import { TrustDomain } from "../spiffe/index.ts";
import { ApiError } from "./api-error.ts";
import { GrantedDnsNames } from "./granted-dns-names.ts";
import { openKeyStore } from "./key-store.ts";
import { openServerDatabase } from "./open-database.ts";
import type { ServerBase } from "./server-base.ts";
import { authoritySettings } from "./settings.ts";
import { openUpstream, probing, watchUpstream } from "./upstream.ts";

export interface OpenAuthority {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly authorities: AuthorityManager;
  readonly upstream: Upstream;
  readonly dnsNames: GrantedDnsNames;
  /** Whose database it is. */
  readonly record: TrustDomainRecord;
}

/** @throws ApiError MCA_NOT_INITIALISED; StoreError, KeyError, ConfigError, AuthorityError MCA_ROTATION_IMPOSSIBLE */
export async function openAuthority(base: ServerBase): Promise<OpenAuthority> {
  const { config, dir, clock, random, logger, lifecycle, readiness, telemetry } = base;
  const database = await openServerDatabase({ config, dataDir: dir.path, initialise: false, lifecycle, clock, logger });
  const record = await trustDomainOf(database);
  if (record === undefined) {
    throw new ApiError(
      "MCA_NOT_INITIALISED",
      "This database belongs to no trust domain yet. Run npx mesh-ca init once.",
    );
  }
  const ledger = await Ledger.open({
    database,
    clock,
    logger,
    metrics: telemetry.metrics,
    lineageQuota: config.quotas.lineage,
    maxQueued: config.limits.maxIssuancesInFlight * 2,
  });
  lifecycle.add("ledger", () => ledger.close());
  // What is told of trust is told of the trust domain that the database holds, also where another one was configured.
  const trustDomain = TrustDomain.parse(record.trustDomain);
  const dnsNames = new GrantedDnsNames(config);
  const dnsGrants = () => dnsNames.current();
  const upstream = await openUpstream(config, { trustDomain, dnsGrants, clock, logger });
  watchUpstream(upstream, { readiness, metrics: telemetry.metrics, lifecycle });
  const authorities = await AuthorityManager.open({
    ledger,
    database,
    keyStore: await openKeyStore(config, { random, logger }),
    upstream,
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
  lifecycle.add("authorities", () => authorities.close());
  return { database, ledger, authorities, upstream, dnsNames, record };
}
