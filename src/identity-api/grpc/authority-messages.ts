// Authorities, their requests and what an import found, as messages of the AuthorityService. Pure: no I/O.
import {
  type AuthorityRecord,
  type AuthorityRequest,
  type AuthorityState,
  type AuthorityTransition,
  endOfPath,
  type Finding,
  type ImportReport,
  remedyOf,
} from "../../ca/index.ts";
import {
  type Authority as AuthorityMessage,
  Finding_Severity,
  type Finding as FindingMessage,
  type ImportAuthorityResponse,
  type LaggingWatcher as LaggingWatcherMessage,
  Authority_State as State,
  type WaitingRequest,
} from "../../proto/gen/meshca/identity/v1/authority.ts";
import { nameToString } from "../../x509/index.ts";
import { timeField } from "./convert.ts";
import type { LaggingWatcher } from "./trust-watchers.ts";

const stateNumber: Readonly<Record<AuthorityState, State>> = {
  requested: State.STATE_REQUESTED,
  prepared: State.STATE_PREPARED,
  active: State.STATE_ACTIVE,
  retired: State.STATE_RETIRED,
  tainted: State.STATE_TAINTED,
  revoked: State.STATE_REVOKED,
  removed: State.STATE_REMOVED,
};

/** `history`: every transition of any authority, oldest first. */
export function authorityMessage(
  record: AuthorityRecord,
  history: readonly AuthorityTransition[],
  activatesAt: number | undefined,
): AuthorityMessage {
  const { issued } = record;
  const path = issued === undefined ? [] : pathOf(issued);
  const own = history.filter(({ spkiSha256 }) => spkiSha256 === record.spkiSha256);
  const lastInto = (state: AuthorityState) => own.findLast(({ to }) => to === state)?.at;
  return {
    spkiSha256: record.spkiSha256,
    state: stateNumber[record.state],
    replica: record.replica,
    upstream: record.upstream,
    path: path.map(({ subject }) => nameToString(subject)),
    notBefore: timeField(issued?.certificate.notBefore),
    endsAt: timeField(issued === undefined ? undefined : endOfPath(issued)),
    certificate: issued?.certificate.der ?? new Uint8Array(),
    intermediates: issued?.intermediates.map(({ der }) => der) ?? [],
    anchor: issued?.anchor.der ?? new Uint8Array(),
    createdAt: timeField(record.createdAt),
    preparedAt: timeField(lastInto("prepared")),
    activatedAt: timeField(lastInto("active")),
    retiredAt: timeField(lastInto("retired")),
    activatesAt: timeField(activatesAt),
    transitions: own.map(({ from, to, at, cause, logIndex }) => ({
      from: from === undefined ? State.STATE_UNSPECIFIED : stateNumber[from],
      to: stateNumber[to],
      at: timeField(at),
      cause,
      logIndex,
    })),
  };
}

export function requestMessage({ spkiSha256, csr, createdAt, cause }: AuthorityRequest): WaitingRequest {
  return { spkiSha256, csr, createdAt: timeField(createdAt), cause };
}

export function laggingMessage({ peer, address, acknowledged, since }: LaggingWatcher): LaggingWatcherMessage {
  return { peer, address, acknowledgedRevision: acknowledged, since: timeField(since) };
}

export function importMessage(report: ImportReport, dryRun: boolean): ImportAuthorityResponse {
  switch (report.kind) {
    case "refused":
      return { outcome: { $case: "refused", value: { findings: report.findings.map(findingMessage) } }, dryRun };
    case "accepted": {
      const { spkiSha256, path, endsAt, warnings, activated, activatesAt } = report;
      return {
        outcome: {
          $case: "accepted",
          value: {
            spkiSha256,
            path: [...path],
            endsAt: timeField(endsAt),
            warnings: warnings.map(findingMessage),
            activated,
            activatesAt: timeField(activatesAt),
          },
        },
        dryRun,
      };
    }
  }
}

function findingMessage(finding: Finding): FindingMessage {
  const { severity, certificate, rule, found, expected } = finding;
  return {
    severity: severity === "error" ? Finding_Severity.SEVERITY_ERROR : Finding_Severity.SEVERITY_WARNING,
    certificate,
    rule,
    found,
    expected,
    remedy: remedyOf(finding),
  };
}

/** The authority first, the anchor last; a self-signed one once. */
function pathOf({ certificate, intermediates, anchor, selfSigned }: NonNullable<AuthorityRecord["issued"]>) {
  return selfSigned ? [certificate] : [certificate, ...intermediates, anchor];
}
