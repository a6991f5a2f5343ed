// The first authority of a trust domain, for `mesh-ca init` alone (invariant 2). A database that has had one refuses another. Where
// people sign, the beginning is a request; the import of its certificate makes the authority.
import { buildTrustSet } from "../bundle/index.ts";
import { clearAway } from "./clear-away.ts";
import { requireSameClocks } from "./clocks.ts";
import { AuthorityError } from "./errors.ts";
import { recordActivated } from "./journal.ts";
import { type ProvisionDependencies, provisionAuthority } from "./provision.ts";
import { loadAuthorities, loadTrustState } from "./records.ts";
import { type AuthorityRequest, makeRequest, requestOf } from "./requests.ts";
import { checkRotationSettings } from "./settings.ts";
import { beginTrust } from "./trust-journal.ts";

/** The first authority: active, or a request that waits for people to sign it. */
export interface InitialisedAuthority {
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
  readonly request?: AuthorityRequest;
}

/** Creates and activates it at once: nobody has to learn of it first. See AuthorityManager.initialise. */
export async function initialiseAuthority(options: ProvisionDependencies): Promise<InitialisedAuthority> {
  const { database, upstream } = options;
  checkRotationSettings(options.settings);
  if ((await loadTrustState(database)) !== undefined) throw alreadyInitialised(options.trustDomain.name);
  const records = await loadAuthorities(database);
  if (records.some(({ state }) => state !== "requested" && state !== "removed")) {
    throw alreadyInitialised(options.trustDomain.name);
  }
  await requireSameClocks(options);
  const waiting = records.flatMap((record) => (record.upstream === upstream.kind ? (requestOf(record) ?? []) : []));
  const [request] = upstream.answersAtOnce ? [] : waiting;
  if (request !== undefined) return { spkiSha256: request.spkiSha256, request };
  // What an initialisation left that was interrupted: a request whose key has signed nothing but its own certificate.
  for (const record of records) {
    if (record.state === "requested") await clearAway(options, record, "initialisation was interrupted");
  }
  if (!upstream.answersAtOnce) {
    const made = await makeRequest(options, "init");
    return { spkiSha256: made.spkiSha256, request: made };
  }
  return await provisionAuthority(options, {
    cause: "init",
    trustWith: (accepted) => firstTrust(options, accepted),
    async record(tx, change, _accepted, prepare) {
      await prepare();
      await recordActivated(tx, change, false);
      await beginTrust(tx, options.settings.refreshHintSeconds);
    },
  });
}

function firstTrust(options: ProvisionDependencies, accepted: Parameters<typeof buildTrustSet>[0]["authorities"][0]) {
  return buildTrustSet({
    trustDomain: options.trustDomain,
    authorities: [accepted],
    distrustedSpkis: [],
    prunedAnchors: [],
    sequence: 1n,
    revision: 1n,
    refreshHintSeconds: options.settings.refreshHintSeconds,
  });
}

function alreadyInitialised(trustDomain: string): AuthorityError {
  return new AuthorityError(
    "MCA_ALREADY_INITIALISED",
    `This database already has the trust of ${trustDomain}. A trust domain is initialised once: start it (npx mesh-ca server), or choose another database.`,
  );
}
