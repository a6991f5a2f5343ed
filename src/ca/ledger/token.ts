// May this key redeem this join token? Pure; the ledger asks under the head lock. One use means one key: the same key may come
// again for five minutes, because a lost answer is not a dead host.
//
//   token               asked by              decision
//   -----               --------              --------
//   unknown, voided     -                     refused
//   expired             never redeemed        refused
//   not redeemed        -                     redeem
//   redeemed            same key, <= 5 min    replay; redeem again if what it would replay was never signed (`replacing`)
//   redeemed            same key, later       refused
//   redeemed            other key             refused
import { LedgerError } from "./errors.ts";

export const REDEEM_AGAIN_MS = 5 * 60_000;

export interface TokenState {
  /** Unix milliseconds. */
  readonly expiresAt: number;
  readonly voided: boolean;
  readonly redeemed:
    | { readonly at: number; readonly spkiSha256: string; readonly logIndex: bigint; readonly lineage: string }
    | undefined;
}

export type TokenDecision =
  | { readonly kind: "redeem"; readonly token: TokenState }
  | { readonly kind: "replay"; readonly logIndex: bigint }
  | { readonly kind: "refused"; readonly error: LedgerError };

export function decideToken(
  token: TokenState | undefined,
  attempt: { readonly spkiSha256: string; readonly replacing: bigint | undefined; readonly now: number },
): TokenDecision {
  if (token === undefined) {
    return refuse(
      "MCA_TOKEN_UNKNOWN",
      "This server knows no such join token. Check that it was made here, or make a new one.",
    );
  }
  if (token.voided)
    return refuse("MCA_TOKEN_VOIDED", "The join token was voided. Make a new one: npx mesh-ca token create");
  const { redeemed } = token;
  if (redeemed === undefined) {
    if (attempt.now < token.expiresAt) return { kind: "redeem", token };
    return refuse("MCA_TOKEN_EXPIRED", "The join token has expired. Make a new one: npx mesh-ca token create");
  }
  const again = redeemed.spkiSha256 === attempt.spkiSha256 && Math.abs(attempt.now - redeemed.at) <= REDEEM_AGAIN_MS;
  if (!again) {
    return refuse(
      "MCA_TOKEN_REDEEMED",
      "The join token was redeemed already. If that was not this machine, treat the token as stolen; else make a new one: npx mesh-ca token create",
    );
  }
  if (attempt.replacing === redeemed.logIndex) return { kind: "redeem", token };
  return { kind: "replay", logIndex: redeemed.logIndex };
}

function refuse(code: ConstructorParameters<typeof LedgerError>[0], sentence: string): TokenDecision {
  return { kind: "refused", error: new LedgerError(code, sentence) };
}
