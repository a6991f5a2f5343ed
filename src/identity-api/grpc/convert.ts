// Small conversions between the messages of the API and the types of the rooms.
import type { Grant } from "../../ca/index.ts";
import type { Grant as GrantMessage } from "../../proto/gen/meshca/identity/v1/identity.ts";

/** Unix milliseconds of a timestamp field; undefined where it is unset. */
export function timeOf(field: Date | undefined): number | undefined {
  return field?.getTime();
}

/** A timestamp field from Unix milliseconds. */
export function timeField(unixMs: number): Date;
export function timeField(unixMs: number | undefined): Date | undefined;
export function timeField(unixMs: number | undefined): Date | undefined {
  return unixMs === undefined ? undefined : new Date(unixMs);
}

/** A text field that is unset when empty. */
export function textOf(field: string): string | undefined {
  return field === "" ? undefined : field;
}

export function grantMessage(grant: Grant): GrantMessage {
  return {
    rule: grant.rule,
    ruleRevision: grant.ruleRevision,
    spiffeId: grant.spiffeId.toString(),
    dnsNames: [...grant.dnsNames],
    ttlSeconds: grant.ttlSeconds,
    shortenedBy: grant.shortenedBy ?? "",
    roles: [...grant.roles],
  };
}
