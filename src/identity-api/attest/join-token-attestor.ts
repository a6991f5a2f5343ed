// A join token as evidence. Looking it up establishes the attributes that its maker wrote into it; whether it may still be
// redeemed, and by which key, is decided once and for all inside the ledger's transaction. The early checks here only keep
// worthless tokens away from the expensive part.
import type { Database } from "../../ca/index.ts";
import type { Clock } from "../../runtime/index.ts";
import { parseJoinToken, type TrustDomain } from "../../spiffe/index.ts";
import { withInstance } from "./attributes.ts";
import { AttestError } from "./errors.ts";
import { findTokenBySecret } from "./token-store.ts";
import type { EstablishedEvidence } from "./types.ts";

export interface JoinTokenAttestorOptions {
  readonly instance: string;
  readonly trustDomain: TrustDomain;
  readonly database: Database;
  readonly clock: Clock;
}

/** Establishes what a join token says. @throws SpiffeError MCA_TOKEN_MALFORMED; AttestError MCA_TOKEN_* */
export async function attestJoinToken(text: string, options: JoinTokenAttestorOptions): Promise<EstablishedEvidence> {
  const token = parseJoinToken(text);
  if (!token.trustDomain.equals(options.trustDomain)) {
    throw new AttestError(
      "MCA_TOKEN_FOREIGN",
      `The join token is for the trust domain ${token.trustDomain.name}; this server is ${options.trustDomain.name}. Ask the server that the token names.`,
    );
  }
  const { secretSha256 } = token;
  const row = await findTokenBySecret(options.database, secretSha256);
  if (row === undefined || row.attestor !== options.instance) {
    throw new AttestError("MCA_TOKEN_UNKNOWN", "This server has made no such join token. Ask for a new one.");
  }
  const details = { token: row.id };
  if (row.redeemedAt === undefined) {
    if (row.voidedAt !== undefined) {
      throw new AttestError("MCA_TOKEN_VOIDED", "The join token was voided. Ask for a new one.", { details });
    }
    if (options.clock.now() >= row.expiresAt) {
      throw new AttestError("MCA_TOKEN_EXPIRED", "The join token has expired. Ask for a new one.", { details });
    }
  }
  return {
    attestor: options.instance,
    kind: "join-token",
    attributes: withInstance(options.instance, row.attributes),
    requester: `token:${row.id}`,
    token: { secretSha256, rulesRevision: row.rulesRevision },
  };
}
