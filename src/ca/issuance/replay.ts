// A caller that lost an answer asks again with the same key: it gets the certificate that was recorded for it, put together
// from the record, and nothing new is issued. Where the record has no signature (a crash between commit and sign), the
// answer is that it must be replaced.
import { setTimeout as sleep } from "node:timers/promises";
import { encodeCertificate, signatureAlgorithmOfTbs } from "../../x509/index.ts";
import type { AuthorityManager } from "../authority/index.ts";
import { getIssuance, type IssuanceRecord, type Ledger } from "../ledger/index.ts";
import type { Database } from "../store/index.ts";

/** What stands in the record. `unsigned`: nothing that could be handed out; make a new one in its place. */
export type Replayed =
  | { readonly kind: "certificate"; readonly chain: readonly Uint8Array[]; readonly record: IssuanceRecord }
  | { readonly kind: "unsigned"; readonly why: string };

export interface ReplayDependencies {
  readonly ledger: Ledger;
  readonly database: Database;
  readonly authorities: AuthorityManager;
}

/** The signature may be a moment away: in a call that runs beside this one, or in another replica's next batch (1 s). */
const WAITS_MS = [20, 100, 300, 600, 800];

/**
 * Puts a recorded certificate together again.
 * @param spkiSha256 of the key that asks now; the record must be for the same
 */
export async function replayIssuance(
  dependencies: ReplayDependencies,
  logIndex: bigint,
  spkiSha256: string,
): Promise<Replayed> {
  const { ledger, database, authorities } = dependencies;
  for (let attempt = 0; ; attempt++) {
    const pending = ledger.pendingOutcome(logIndex);
    const record = await getIssuance(database, { logIndex });
    if (record.row.spkiSha256 !== spkiSha256) throw new TypeError(`the record at ${logIndex} is for another key`);
    const result = pending?.result ?? record.outcome.kind;
    if (result === "failed") return { kind: "unsigned", why: "its signature failed" };
    const signature = pending?.signature ?? (record.outcome.kind === "signed" ? record.outcome.signature : undefined);
    if (signature !== undefined) {
      const issuer = authorities.published().find((each) => each.spkiSha256 === record.row.authority);
      if (issuer === undefined) return { kind: "unsigned", why: "its authority is not published any more" };
      const { tbs } = record;
      const leaf = encodeCertificate(tbs, signatureAlgorithmOfTbs(tbs), signature);
      const selfSigned = issuer.certificate.sha256 === issuer.anchor.sha256;
      const above = selfSigned ? [] : [issuer.certificate, ...issuer.intermediates].map(({ der }) => der);
      return { kind: "certificate", chain: [leaf, ...above], record };
    }
    const waitMs = WAITS_MS[attempt];
    if (waitMs === undefined) return { kind: "unsigned", why: "no signature was recorded" };
    await sleep(waitMs);
  }
}
