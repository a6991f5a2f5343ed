// Makes a new authority where the upstream answers at once: a key, a certificate, the check of what came back, a probe. Ends in the
// state `prepared`, or with the key destroyed.
import type { Clock, Logger, RandomSource } from "../../runtime/index.ts";
import type { TrustDomain, TrustSet } from "../../spiffe/index.ts";
import type { KeyStore } from "../keys/index.ts";
import type { Ledger, LedgerTransaction } from "../ledger/index.ts";
import type { Database } from "../store/index.ts";
import {
  type AcceptanceTerms,
  type AcceptedAuthority,
  acceptUpstreamAnswer,
  type DnsGrant,
  type Upstream,
} from "../upstream/index.ts";
import { AuthorityError } from "./errors.ts";
import { type Change, recordPrepared } from "./journal.ts";
import { withNewKey } from "./new-key.ts";
import { type ProbeVerifier, requireWorking } from "./probe.ts";
import { type AuthoritySettings, checkAuthorityLifetime } from "./settings.ts";

export interface ProvisionDependencies {
  readonly ledger: Ledger;
  readonly database: Database;
  readonly keyStore: KeyStore;
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly trustDomain: TrustDomain;
  /** 1 to 127. */
  readonly replica: number;
  readonly settings: AuthoritySettings;
  readonly logger: Logger;
  /** Which DNS names rules may grant, now: the name constraints of an upstream must permit them. Default: none. */
  dnsGrants?(): readonly DnsGrant[];
  /** Somebody has said that the root serves this trust domain alone. Default: nobody has, and imports warn of it. */
  readonly dedicatedRoot?: boolean;
  /** Tries probes with OpenSSL, by a TLS handshake. Default: node:crypto, link by link. */
  readonly probeVerifier?: ProbeVerifier;
}

export interface Provision {
  readonly cause: string;
  /** What would be published with the new authority: its probe is verified against that. */
  trustWith(accepted: AcceptedAuthority): TrustSet;
  /** Records it, and what follows, in one transaction. `prepare` makes it `prepared`. */
  record(
    tx: LedgerTransaction,
    change: Change,
    accepted: AcceptedAuthority,
    prepare: () => Promise<void>,
  ): Promise<void>;
}

/**
 * Makes an authority and records it as prepared.
 * @throws AuthorityError MCA_AUTHORITY_PROBE_FAILED, MCA_AUTHORITY_UPSTREAM_KIND; KeyError, UpstreamError, LedgerError; nothing is
 *   published then
 */
export async function provisionAuthority(
  dependencies: ProvisionDependencies,
  provision: Provision,
): Promise<{ readonly spkiSha256: string }> {
  const { ledger, upstream } = dependencies;
  if (!upstream.answersAtOnce) {
    throw new AuthorityError(
      "MCA_AUTHORITY_UPSTREAM_KIND",
      `People sign the authorities of the upstream ${upstream.kind}: npx mesh-ca authority csr, have it signed, then npx mesh-ca authority import FILE.`,
    );
  }
  return await withNewKey(dependencies, provision.cause, async ({ spkiSha256, signer, request, change }) => {
    const terms = acceptanceTerms(dependencies, spkiSha256);
    const accepted = acceptUpstreamAnswer(await upstream.certify(request), terms);
    await requireWorking(dependencies, signer, accepted, provision.trustWith(accepted));
    await ledger.transact((tx) =>
      provision.record(tx, change(), accepted, () => recordPrepared(tx, change(), accepted)),
    );
    return { spkiSha256 };
  });
}

/** What an upstream's answer for one of our keys must fit, now. */
export function acceptanceTerms(dependencies: ProvisionDependencies, spkiSha256: string): AcceptanceTerms {
  const { trustDomain, clock, settings } = dependencies;
  const now = clock.now();
  return {
    spkiSha256,
    trustDomain,
    now,
    dnsGrants: dependencies.dnsGrants?.() ?? [],
    dedicatedRoot: dependencies.dedicatedRoot ?? false,
    checkLifetime: (endsAt) => checkAuthorityLifetime(settings, now, endsAt),
  };
}
