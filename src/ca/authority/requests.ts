// Requests that people sign in their own time: a key and a recorded CSR that wait for a certificate, over restarts. There is one at
// a time; asking again gives the same one.
import { type ChangeContext, ownRecords, requireSuccession, type SuccessionOptions } from "./changes.ts";
import { clearAway } from "./clear-away.ts";
import { AuthorityError } from "./errors.ts";
import { storeCsr } from "./journal.ts";
import { withNewKey } from "./new-key.ts";
import type { ProvisionDependencies } from "./provision.ts";
import type { AuthorityRecord } from "./records.ts";

/** An authority that waits for its certificate. */
export interface AuthorityRequest {
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
  /** PKCS#10, DER. */
  readonly csr: Uint8Array;
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly cause: string;
}

export interface RequestOptions extends SuccessionOptions {
  /** A new key and CSR although one waits; the waiting one is cleared away. */
  readonly renew?: boolean;
}

/** The request that waits, or a new one. */
export async function requestAuthority(
  context: ChangeContext,
  cause: string,
  options: RequestOptions,
): Promise<AuthorityRequest> {
  const waiting = pendingRequests(ownRecords(context));
  const [first] = waiting;
  if (first !== undefined && options.renew !== true) return first;
  // Before its first authority a trust domain has only this request, which init made.
  if (context.view.hasTrust || first === undefined) requireSuccession(context, options);
  requireOffline(context.options);
  for (const record of ownRecords(context)) {
    if (record.state === "requested") await clearAway(context.options, record, `given up for a new request: ${cause}`);
  }
  return await makeRequest(context.options, cause);
}

/** Makes a key and has the upstream write the request for it. Everything that the key signs is on record before. */
export async function makeRequest(dependencies: ProvisionDependencies, cause: string): Promise<AuthorityRequest> {
  const upstream = requireOffline(dependencies);
  return await withNewKey(dependencies, cause, async ({ spkiSha256, request, change }) => {
    const createdAt = change().now;
    const { csr } = await upstream.request(request);
    await dependencies.ledger.transact((tx) => storeCsr(tx, spkiSha256, csr));
    return { spkiSha256, csr, createdAt, cause };
  });
}

/** Those that wait, oldest first. */
export function pendingRequests(records: readonly AuthorityRecord[]): readonly AuthorityRequest[] {
  return records.flatMap((record) => requestOf(record) ?? []);
}

/** The request that an authority still is. One without a CSR is what a crash left: nobody can sign it. */
export function requestOf({ spkiSha256, state, csr, createdAt, cause }: AuthorityRecord): AuthorityRequest | undefined {
  return state === "requested" && csr !== undefined ? { spkiSha256, csr, createdAt, cause } : undefined;
}

function requireOffline({ upstream }: ProvisionDependencies) {
  if (!upstream.answersAtOnce) return upstream;
  throw new AuthorityError(
    "MCA_AUTHORITY_UPSTREAM_KIND",
    `The upstream ${upstream.kind} signs at once, so that there is nothing for people to sign: npx mesh-ca authority prepare`,
  );
}
