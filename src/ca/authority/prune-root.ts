// Takes an old upstream root out of the bundle, by name. While something valid chains to it that would be an outage, and is refused;
// a root of which only retired authorities with no living leaf are left goes, and they with it.
import { formatTime } from "../../runtime/index.ts";
import { nameToString } from "../../x509/index.ts";
import { type ChangeContext, changeOf } from "./changes.ts";
import { clearAway } from "./clear-away.ts";
import { AuthorityError } from "./errors.ts";
import { recordState } from "./journal.ts";
import { type AuthorityRecord, endOfPath } from "./records.ts";
import { isPublished } from "./state.ts";
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
