// AuditService: the record of issued identities, asked. Answers whenever the database does, also while nothing is issued.
import { type Database, getIssuance, type IssuanceQuery, type IssuanceRow, listIssuances } from "../../ca/index.ts";
import {
  AuditServiceService,
  type GetIssuanceRequest,
  type Issuance,
  type ListIssuancesRequest,
} from "../../proto/gen/meshca/identity/v1/admin.ts";
import { ApiError } from "../api-error.ts";
import type { AccessGate } from "./access-gate.ts";
import type { Calls } from "./calls.ts";
import { textOf, timeField, timeOf } from "./convert.ts";
import type { MethodsOf } from "./definition.ts";

/** What the database's bigint holds. */
const MAX_LOG_INDEX = 2n ** 63n - 1n;

export interface AuditServiceOptions {
  readonly calls: Calls;
  readonly gate: AccessGate;
  readonly database: Database;
}

export function auditService({ calls, gate, database }: AuditServiceOptions): MethodsOf<typeof AuditServiceService> {
  const path = AuditServiceService;
  return {
    listIssuances: calls.unary(path.listIssuances, async (request, call) => {
      await gate.admit(call);
      const page = await listIssuances(database, queryOf(request));
      return { issuances: page.rows.map(issuanceMessage), nextCursor: page.nextCursor ?? "" };
    }),
    getIssuance: calls.unary(path.getIssuance, async (request, call) => {
      await gate.admit(call);
      const record = await getIssuance(database, keyOf(request));
      return {
        issuance: issuanceMessage(record.row),
        entry: record.entry,
        leafHash: record.leafHash,
        result: record.outcome.kind === "none" ? "" : record.outcome.kind,
        certificate: record.certificate ?? new Uint8Array(),
      };
    }),
  };
}

function queryOf(request: ListIssuancesRequest): IssuanceQuery {
  return compact<IssuanceQuery>({
    spiffeId: textOf(request.spiffeId),
    spiffeIdPrefix: textOf(request.spiffeIdPrefix),
    serial: textOf(request.serial),
    requester: textOf(request.requester),
    authority: textOf(request.authority),
    lineage: textOf(request.lineage),
    issuedFrom: timeOf(request.issuedFrom),
    issuedUntil: timeOf(request.issuedUntil),
    validAt: timeOf(request.validAt),
    withoutOutcome: request.withoutOutcome || undefined,
    newestFirst: request.newestFirst || undefined,
    pageSize: request.pageSize === 0 ? undefined : request.pageSize,
    cursor: textOf(request.cursor),
  });
}

/** Leaves out what is undefined: with exactOptionalPropertyTypes an unset filter is an absent one. */
function compact<T extends object>(values: { [Key in keyof T]: T[Key] | undefined }): T {
  // The type of what is left is T by construction: every present key holds a T[Key].
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

function keyOf(request: GetIssuanceRequest): { logIndex: bigint } | { serial: string } {
  switch (request.key?.$case) {
    case "logIndex":
      if (request.key.value > MAX_LOG_INDEX) {
        throw new ApiError("MCA_REQUEST_INVALID", `A log index is at most ${MAX_LOG_INDEX}.`);
      }
      return { logIndex: request.key.value };
    case "serial":
      if (!/^(?:[0-9a-f]{2}){1,20}$/.test(request.key.value)) {
        throw new ApiError("MCA_REQUEST_INVALID", "The serial number is not lower-case hex of 1 to 20 octets.");
      }
      return { serial: request.key.value };
    case undefined:
      throw new ApiError("MCA_REQUEST_INVALID", "Neither a log index nor a serial number was given. Give one of them.");
  }
}

function issuanceMessage(row: IssuanceRow): Issuance {
  return {
    logIndex: row.logIndex,
    kind: row.kind,
    spiffeId: row.spiffeId,
    serial: row.serial,
    requester: row.requester,
    lineage: row.lineage ?? "",
    rule: row.rule ?? "",
    ruleRevision: row.ruleRevision ?? 0n,
    authority: row.authority,
    issuedAt: timeField(row.issuedAt),
    notBefore: timeField(row.notBefore),
    notAfter: timeField(row.notAfter),
    spkiSha256: row.spkiSha256,
    hasOutcome: row.hasOutcome,
  };
}
