// The first authority of a trust domain, for `mesh-ca init` alone (invariant 2). A database that has had one refuses another.
import { clearAway } from "./clear-away.ts";
import { AuthorityError } from "./errors.ts";
import { recordState } from "./journal.ts";
import { type ProvisionDependencies, provisionAuthority } from "./provision.ts";
import { INSERT_TRUST_STATE, loadAuthorities, loadTrustState } from "./records.ts";
import { checkRotationSettings } from "./settings.ts";

/** Creates and activates it at once: nobody has to learn of it first. See AuthorityManager.initialise. */
export async function initialiseAuthority(options: ProvisionDependencies): Promise<{ readonly spkiSha256: string }> {
  const { database } = options;
  checkRotationSettings(options.settings);
  if ((await loadTrustState(database)) !== undefined) throw alreadyInitialised(options.trustDomain.name);
  const records = await loadAuthorities(database);
  if (records.some(({ state }) => state !== "requested" && state !== "removed")) {
    throw alreadyInitialised(options.trustDomain.name);
  }
  // What an initialisation left that was interrupted: a request whose key has signed nothing but its own certificate.
  for (const record of records) {
    if (record.state === "requested") await clearAway(options, record, "initialisation was interrupted", records);
  }
  return await provisionAuthority(options, "init", async (tx, change) => {
    await recordState(tx, change, "active");
    await tx.query(INSERT_TRUST_STATE);
  });
}

function alreadyInitialised(trustDomain: string): AuthorityError {
  return new AuthorityError(
    "MCA_ALREADY_INITIALISED",
    `This database already has the trust of ${trustDomain}. A trust domain is initialised once: start it (npx mesh-ca server), or choose another database.`,
  );
}
