// Takes an old upstream root out of the bundle, by name. While something valid chains to it that would be an outage, and is refused;
// a root of which only retired authorities with no living leaf are left goes, and they with it.
import { formatTime } from "../../runtime/index.ts";
import { type Certificate, fromHex, nameToString, toHex } from "../../x509/index.ts";
import type { LedgerTransaction } from "../ledger/index.ts";
import { type ChangeContext, changeOf } from "./changes.ts";
import { clearAway } from "./clear-away.ts";
import { AuthorityError } from "./errors.ts";
import { recordState } from "./journal.ts";
import { type AuthorityRecord, endOfPath } from "./records.ts";
import { isPublished } from "./state.ts";
import { SELECT_PUBLISHED_UNDER } from "./statements.ts";
import { changeTrust, recordPruned } from "./trust-journal.ts";

/** See AuthorityManager.pruneRoot. `hasLivingLeaves` asks the record of issuances. */
export async function pruneRoot(
  context: ChangeContext,
  sha256: string,
  cause: string,
  hasLivingLeaves: (spkiSha256: string) => Promise<boolean>,
): Promise<void> {
  const { ledger, clock } = context.options;
  const under = context.view.records.filter(({ issued }) => issued?.anchor.sha256 === sha256);
  const anchor = under[0]?.issued?.anchor;
  if (anchor === undefined) {
    throw new AuthorityError("MCA_ANCHOR_UNKNOWN", `No authority was ever under a root ${sha256}.`);
  }
  if (context.view.prunedAnchors.includes(sha256)) return;
  const published = under.filter(({ state }) => isPublished(state));
  const reasons: string[] = [];
  for (const record of published) {
    const why = await inUse(record, clock.now(), hasLivingLeaves);
    if (why !== undefined) reasons.push(`${record.spkiSha256} (${why})`);
  }
  if (reasons.length > 0) {
    throw new AuthorityError(
      "MCA_ANCHOR_IN_USE",
      `The root "${nameToString(anchor.subject)}" stays in the bundle: valid certificates chain to it, by the authorities ${reasons.join(", ")}. Wait until they are removed, or revoke them: npx mesh-ca authority revoke`,
      { details: { anchor: sha256, authorities: reasons.join(", ") } },
    );
  }
  const retired = published.filter(({ state }) => state === "retired");
  await ledger.transact((tx) =>
    changeTrust(tx, clock.now(), async () => {
      await requireNoOther(tx, anchor, published);
      for (const record of retired) await recordState(tx, changeOf(context, record, cause), "removed");
      await recordPruned(tx, { anchor: sha256, subject: nameToString(anchor.subject), now: clock.now(), cause });
    }),
  );
  // A crash before this leaves keys of removed authorities, which the rotator destroys.
  for (const record of retired) {
    if (record.replica === context.options.replica)
      await clearAway(context.options, { ...record, state: "removed" }, cause);
  }
}

/** Another replica may have prepared an authority under it since this one looked. @throws AuthorityError MCA_ANCHOR_IN_USE */
async function requireNoOther(
  tx: LedgerTransaction,
  { sha256, subject }: Certificate,
  looked: readonly AuthorityRecord[],
): Promise<void> {
  const rows = await tx.query<{ spki_sha256: Uint8Array }>(SELECT_PUBLISHED_UNDER, [fromHex(sha256)]);
  const found = rows.map(({ spki_sha256 }) => toHex(spki_sha256));
  const others = found.filter((each) => !looked.some(({ spkiSha256 }) => spkiSha256 === each));
  if (others.length === 0) return;
  throw new AuthorityError(
    "MCA_ANCHOR_IN_USE",
    `The root "${nameToString(subject)}" stays in the bundle: the authority ${others.join(", ")} was prepared under it meanwhile.`,
    { details: { anchor: sha256, authorities: others.join(", ") } },
  );
}

async function inUse(
  { state, issued, spkiSha256 }: AuthorityRecord,
  now: number,
  hasLivingLeaves: (spkiSha256: string) => Promise<boolean>,
): Promise<string | undefined> {
  const endsAt = issued === undefined ? 0 : endOfPath(issued);
  if (now > endsAt) return undefined;
  if (state !== "retired") return `${state}, ends at ${formatTime(endsAt)}`;
  return (await hasLivingLeaves(spkiSha256)) ? "retired, with certificates that are still valid" : undefined;
}
