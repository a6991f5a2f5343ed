// Brings in the certificate that people signed for a waiting request: read, assembled, judged, tried by a probe, and only then
// believed. What breaks a rule is a report, not an error, and leaves the request open for a better answer.
//
// A dry run tells the same and changes nothing. A probe would be a signature on record, so that a dry run has none; a warning says so.
import { formatTime } from "../../runtime/index.ts";
import { nameToString } from "../../x509/index.ts";
import {
  type AcceptedAuthority,
  assembleAnswer,
  type Finding,
  type ImportFile,
  judgeUpstreamAnswer,
  readCertificates,
} from "../upstream/index.ts";
import {
  type ChangeContext,
  changeOf,
  hindranceOf,
  nothingLives,
  ownRecords,
  requireOwn,
  requireSuccession,
} from "./changes.ts";
import { requireSameClocks } from "./clocks.ts";
import { decidedAgainst, findKnown } from "./import-findings.ts";
import { recordActivated, recordImported, recordPrepared, recordScheduled, recordState } from "./journal.ts";
import { without } from "./prepare.ts";
import { tryAuthority } from "./probe.ts";
import { acceptanceTerms } from "./provision.ts";
import { endOfPath } from "./records.ts";
import { pendingRequests } from "./requests.ts";
import { propagationSeconds, rotationTimes } from "./settings.ts";
import { beginTrust, changeTrust, unprune } from "./trust-journal.ts";

export interface ImportOptions {
  readonly cause: string;
  /** Tell the same, and change nothing. */
  readonly dryRun: boolean;
  /** Let it sign at once, without waiting until every client knows it. */
  readonly emergency?: boolean;
  /** Although the present authority has expired, is revoked or missing. */
  readonly recovery?: boolean;
}

export type ImportReport =
  | {
      readonly kind: "accepted";
      /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
      readonly spkiSha256: string;
      /** Subjects: the authority first, the root last. */
      readonly path: readonly string[];
      /** The earliest notAfter of the path, Unix milliseconds. */
      readonly endsAt: number;
      readonly warnings: readonly Finding[];
      /** It signs from now on (of a dry run: would sign). */
      readonly activated: boolean;
      readonly dryRun: boolean;
      /** When it is going to sign, Unix milliseconds; undefined where it does already. */
      readonly activatesAt?: number;
    }
  | { readonly kind: "refused"; readonly findings: readonly Finding[] };

/** See AuthorityManager.import. */
export async function importAuthority(
  context: ChangeContext,
  files: readonly ImportFile[],
  options: ImportOptions,
): Promise<ImportReport> {
  const certificates = readCertificates(files);
  await requireSameClocks(context.options);
  const known = findKnown(certificates, context.view.records, context.options.replica);
  if (known !== undefined) return { kind: "refused", findings: [known] };
  const { view } = context;
  const assembly = assembleAnswer(certificates, {
    requested: pendingRequests(ownRecords(context)).map(({ spkiSha256 }) => spkiSha256),
    knownAnchors: view.published().map(({ anchor }) => anchor),
  });
  if (assembly.kind === "refused") return assembly;
  const { spkiSha256, answer, notes } = assembly;
  const judgement = judgeUpstreamAnswer(answer, acceptanceTerms(context.options, spkiSha256));
  if (judgement.kind === "refused") return { kind: "refused", findings: [...judgement.findings, ...notes] };
  const accepted = judgement.authority;
  const warnings = [...judgement.warnings, ...notes];
  const ours = [...decidedAgainst(accepted, view, options.recovery === true)];
  if (ours.length > 0) return { kind: "refused", findings: [...ours, ...warnings] };
  // The request was the explicit step to another upstream, if it was one.
  if (view.hasTrust) requireSuccession(context, { ...options, changeUpstream: true });
  return await bringIn(context, spkiSha256, accepted, warnings, options);
}

async function bringIn(
  context: ChangeContext,
  spkiSha256: string,
  accepted: AcceptedAuthority,
  warnings: readonly Finding[],
  options: ImportOptions,
): Promise<ImportReport> {
  const { view } = context;
  const { keyStore, settings, clock } = context.options;
  const plan = planOf(context, accepted, options);
  const endsAt = endOfPath(accepted);
  const report = {
    kind: "accepted",
    spkiSha256,
    path: [accepted.certificate, ...accepted.intermediates, ...rootOf(accepted)].map(({ subject }) =>
      nameToString(subject),
    ),
    endsAt,
    activated: plan.atOnce,
    dryRun: options.dryRun,
    ...(plan.atOnce ? {} : { activatesAt: plan.activatesAt }),
  } as const;
  const early = endsAt <= plan.activatesAt + settings.minLeafTtlSeconds * 1000 ? [endsTooEarly(accepted, plan)] : [];
  if (options.dryRun) return { ...report, warnings: [...warnings, ...early, notTried(accepted)] };
  // Opened before anybody waits for a hand-over; a replica that does not hold the key ends here.
  const signer = await keyStore.open(spkiSha256);
  const trust = view.trustSetWith(accepted, without(view.prunedAnchors, options, accepted.anchor.sha256));
  const failed = await tryAuthority(context.options, signer, accepted, trust);
  if (failed !== undefined) return { kind: "refused", findings: [failed, ...warnings] };
  const record = (): Promise<void> => recordImport(context, spkiSha256, accepted, plan, options);
  if (plan.atOnce) await context.handOver(record);
  else await record();
  context.options.logger.info(
    {
      event: "authority.imported",
      authority: spkiSha256,
      activated: plan.atOnce,
      endsAt: formatTime(endsAt),
      at: clock.now(),
    },
    "the certificate of an authority was brought in",
  );
  return { ...report, warnings: [...warnings, ...early] };
}

interface Plan {
  readonly first: boolean;
  /** It begins again where the present authority has ended. */
  readonly recovering: boolean;
  readonly atOnce: boolean;
  /** Unix milliseconds. */
  readonly activatesAt: number;
}

function planOf(context: ChangeContext, { certificate }: AcceptedAuthority, options: ImportOptions): Plan {
  const { clock, settings } = context.options;
  const now = clock.now();
  const first = !context.view.hasTrust;
  const recovering = !first && hindranceOf(context) !== undefined;
  const atOnce = first || options.emergency === true || (recovering && nothingLives(context));
  const known = now + propagationSeconds(settings) * 1000;
  const active = ownRecords(context).find(({ state }) => state === "active")?.issued;
  if (atOnce) return { first, recovering, atOnce, activatesAt: Math.max(now, certificate.notBefore) };
  if (recovering || active === undefined) return { first, recovering, atOnce, activatesAt: known };
  const { activateAt } = rotationTimes(active.certificate.notBefore, endOfPath(active));
  return { first, recovering, atOnce, activatesAt: Math.max(known, activateAt) };
}

async function recordImport(
  context: ChangeContext,
  spkiSha256: string,
  accepted: AcceptedAuthority,
  plan: Plan,
  options: ImportOptions,
): Promise<void> {
  const { ledger, clock, settings } = context.options;
  const { cause, emergency = false } = options;
  const request = requireOwn(context, spkiSha256);
  const present = ownRecords(context).find(({ state }) => state === "active");
  await ledger.transact(async (tx) => {
    const change = changeOf(context, request, cause);
    const enter = async (): Promise<void> => {
      recordImported(tx, change, accepted);
      await recordPrepared(tx, change, accepted);
    };
    if (plan.first) {
      await enter();
      await recordActivated(tx, change, false);
      await beginTrust(tx, settings.refreshHintSeconds);
      return;
    }
    await changeTrust(tx, clock.now(), async () => {
      if (options.recovery) await unprune(tx, accepted.anchor.sha256);
      await enter();
      if (plan.recovering) await recordScheduled(tx, change);
      if (!plan.atOnce) return;
      if (present !== undefined) await recordState(tx, changeOf(context, present, cause), "retired");
      await recordActivated(tx, change, emergency);
    });
  });
}

function rootOf({ certificate, anchor }: AcceptedAuthority) {
  return certificate.sha256 === anchor.sha256 ? [] : [anchor];
}

function endsTooEarly({ certificate }: AcceptedAuthority, { activatesAt }: Plan): Finding {
  return {
    severity: "warning",
    certificate: nameToString(certificate.subject),
    rule: "validity",
    found: "a path that ends before this authority would begin to sign",
    expected: `one that lasts beyond ${formatTime(activatesAt)}; or let it sign earlier: npx mesh-ca authority rotate`,
  };
}

function notTried({ certificate }: AcceptedAuthority): Finding {
  return {
    severity: "warning",
    certificate: nameToString(certificate.subject),
    rule: "probe",
    found: "no probe: a dry run signs and records nothing",
    expected: "the import itself tries a certificate under it, with our verifier and OpenSSL, before it is believed",
  };
}
