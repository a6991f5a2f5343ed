// The enterprise has revoked a certificate of our own chain. Foreign verifiers learn of it from its CRL, so that to go on would be to
// issue what nobody should accept: the authority is tainted at once, and a successor outside of what was revoked takes over. Where
// there is none nothing is issued until an operator has made one; health says so.
import { formatTime } from "../../runtime/index.ts";
import { nameToString } from "../../x509/index.ts";
import type { UpstreamRevocation } from "../upstream-watch/index.ts";
import { succeed } from "./activate.ts";
import { type ChangeContext, changeOf, propagatedAt, requireKnown, requireUsable } from "./changes.ts";
import { AuthorityError } from "./errors.ts";
import { recordScheduled, recordTainted } from "./journal.ts";
import type { AuthorityRecord } from "./records.ts";
import { spreadOf } from "./taint.ts";
import { changeTrust } from "./trust-journal.ts";

/** See AuthorityManager.reportUpstreamRevocation. */
export async function taintRevokedByUpstream(context: ChangeContext, report: UpstreamRevocation): Promise<void> {
  const record = requireKnown(context, report.spkiSha256);
  if (!contains(record, report)) {
    throw new AuthorityError("MCA_AUTHORITY_UNKNOWN", `The chain of ${record.spkiSha256} has no such certificate.`);
  }
  // Told before, or of no consequence any more.
  if (record.state !== "prepared" && record.state !== "active" && record.state !== "retired") return;
  const { ledger, clock, logger } = context.options;
  const upstreamRevocation = sentenceOf(report);
  const cause = `the upstream revoked ${upstreamRevocation}`;
  const renewSpreadSeconds = await spreadOf(context, undefined);
  const taint = { renewSpreadSeconds, upstreamRevocation };
  const successor = record.state === "active" ? await findSuccessor(context, record, report) : undefined;
  logger.error(
    {
      event: "authority.upstream_revoked",
      alarm: true,
      authority: record.spkiSha256,
      successor: successor?.spkiSha256,
    },
    cause,
  );
  if (successor !== undefined && propagatedAt(context, successor) <= clock.now()) {
    await succeed(context, successor, { cause }, (tx) => recordTainted(tx, changeOf(context, record, cause), taint));
    return;
  }
  const write = (): Promise<void> =>
    ledger.transact((tx) =>
      changeTrust(tx, clock.now(), async () => {
        await recordTainted(tx, changeOf(context, record, cause), taint);
        if (successor !== undefined) await recordScheduled(tx, changeOf(context, successor, cause));
      }),
    );
  if (record.state === "active") await context.handOver(write);
  else await write();
}

/** The newest prepared authority of the same replica whose chain is not touched and whose key is there. */
async function findSuccessor(
  context: ChangeContext,
  { replica }: AuthorityRecord,
  report: UpstreamRevocation,
): Promise<AuthorityRecord | undefined> {
  const candidates = context.view.records.filter(
    (each) => each.replica === replica && each.state === "prepared" && !contains(each, report),
  );
  for (const candidate of candidates.reverse()) {
    try {
      if (replica === context.options.replica) await requireUsable(context, candidate);
      return candidate;
    } catch (error) {
      context.options.logger.warn(
        { event: "authority.successor_unusable", authority: candidate.spkiSha256, error },
        "a prepared authority cannot take over",
      );
    }
  }
  return undefined;
}

function contains({ issued }: AuthorityRecord, { certificate }: UpstreamRevocation): boolean {
  if (issued === undefined) return false;
  return [issued.certificate, ...issued.intermediates].some(({ sha256 }) => sha256 === certificate.sha256);
}

function sentenceOf({ certificate, source, revokedAt, reason }: UpstreamRevocation): string {
  const when = revokedAt === undefined ? "" : ` at ${formatTime(revokedAt)}`;
  const why = reason === undefined ? "" : `, reason ${reason}`;
  return `"${nameToString(certificate.subject)}" (serial number ${certificate.serialHex}, issuer "${nameToString(certificate.issuer)}")${when}${why}, says ${source}`;
}
