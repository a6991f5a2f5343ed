// Everything that acts: attestors, rules, issuer, rotator, tokens. Nothing of it where the database is another trust domain's
// (invariant 2).
import { Issuer, Rotator, type TrustDomainRecord } from "../ca/index.ts";
import { TrustDomain } from "../spiffe/index.ts";
import { createAttestors, JoinTokens } from "./attest/index.ts";
import type { OpenAuthority } from "./open-authority.ts";
import { type Acting, notIssuing } from "./parts.ts";
import { RecordedSvids } from "./recorded-svids.ts";
import { Registry } from "./registry/index.ts";
import { ReplicaLock } from "./replica-lock.ts";
import { RuleQuotas } from "./rule-quotas.ts";
import type { ServerBase } from "./server-base.ts";
import { authoritySettings, issuanceSettings, ttlBounds } from "./settings.ts";
import { SvidIssuance } from "./svid-issuance.ts";
import { tokenAuthority } from "./token-authority.ts";
import { startUpstreamWatch } from "./upstream-watch.ts";
import { watchAttestors, watchAuthorities, watchReadiness } from "./watch-readiness.ts";

/** `publicAddress`: what join tokens tell workloads to call. */
export async function openActing(
  base: ServerBase,
  authority: OpenAuthority,
  publicAddress: () => string,
): Promise<Acting> {
  const { config, clock, random, logger, lifecycle, readiness, telemetry } = base;
  const { database, ledger, authorities, record } = authority;
  const { metrics } = telemetry;
  const trustDomain = TrustDomain.parse(config.trustDomain);
  if (record.trustDomain !== trustDomain.name) return foreignDatabase(base, record);
  const lock = await ReplicaLock.take({ database, replica: config.replica, logger });
  lifecycle.add("replica number", () => lock.close());
  readiness.add(() => lock.problem());
  const attestors = await createAttestors(config.attestors, {
    trustDomain,
    trust: () => authorities.trustSet(),
    trustForExpired: () => authorities.trustSetForExpired(),
    database,
    clock,
    logger,
  });
  watchAttestors(attestors, base);
  await publishRefreshHint(base, authority);
  const context = { trustDomain, attestors: attestors.descriptions, ttl: ttlBounds(config) };
  const registry = await Registry.open({
    ledger,
    database,
    replica: config.replica,
    configRules: config.rules,
    context,
    clock,
    logger,
  });
  lifecycle.add("registry", () => registry.close());
  authority.dnsNames.follow(() => registry.rules());
  const settings = issuanceSettings(config);
  const issuer = new Issuer({ ledger, database, authorities, clock, random, settings, logger, metrics });
  await issuer.start();
  lifecycle.add("issuer", () => issuer.close());
  const rotator = new Rotator({ authorities, clock, settings: authoritySettings(config), logger, metrics });
  rotator.start();
  lifecycle.add("rotator", () => rotator.close());
  startUpstreamWatch(base, authorities);
  watchReadiness(readiness, { authorities, ledger, registry, issuer });
  watchAuthorities(authorities, base);
  const records = new RecordedSvids({ lineages: ledger.lineages, clock, logger, metrics });
  readiness.addNotes(() => records.notes());
  const issuance = new SvidIssuance({
    attestors,
    registry,
    issuer,
    records,
    quotas: new RuleQuotas(config.quotas.rule, clock),
    maxInFlight: config.limits.maxIssuancesInFlight,
    clock,
    random,
    logger,
    logIssued: config.log.issued,
  });
  const tokens = new JoinTokens({
    ledger,
    database,
    registry,
    trustDomain,
    instance: attestors.joinTokenInstance,
    authority: () => tokenAuthority(authorities),
    publicAddress,
    clock,
    random,
  });
  return { kind: "acting", parts: { attestors, registry, tokens, issuance, issuer, records } };
}

function foreignDatabase({ config, readiness, logger }: ServerBase, record: TrustDomainRecord): Acting {
  const facts = {
    code: "MCA_TRUST_DOMAIN_MISMATCH",
    found: `a database of the trust domain ${record.trustDomain}`,
    expected: `a database of ${config.trustDomain}`,
    command: `set trustDomain: ${record.trustDomain}, or point database.urlFile (or dataDir) at the database of ${config.trustDomain}`,
  };
  const error = notIssuing(facts);
  readiness.add(() => ({ sentence: error.message, ...facts }));
  logger.error({ event: "server.foreign_database", ...facts }, error.message);
  return { kind: "not-acting", error };
}

/** What clients see of a setting is no reason not to start. */
async function publishRefreshHint({ logger }: ServerBase, { authorities }: OpenAuthority): Promise<void> {
  try {
    await authorities.publishRefreshHint();
  } catch (error) {
    logger.warn(
      { event: "authority.refresh_hint_unpublished", error },
      "the bundle goes on telling the refresh hint of before; the next start tries again",
    );
  }
}
