// When a prepared authority is going to take over, as far as the clock alone decides it. Pure; the rotator decides again at that time.
import { type AuthorityRecord, endOfPath } from "./records.ts";
import { type AuthoritySettings, propagationSeconds, rotationTimes } from "./settings.ts";

/**
 * Unix milliseconds; undefined for one that is not prepared, or where there is none that it would follow.
 * @param records every authority of every replica
 */
export function takeoverTime(
  record: AuthorityRecord,
  records: readonly AuthorityRecord[],
  settings: AuthoritySettings,
): number | undefined {
  const { state, replica, preparedAt, activateWhenPropagated } = record;
  if (state !== "prepared" || preparedAt === undefined) return undefined;
  const known = preparedAt + propagationSeconds(settings) * 1000;
  if (activateWhenPropagated) return known;
  const active = records.find((each) => each.replica === replica && each.state === "active")?.issued;
  if (active === undefined) return undefined;
  return Math.max(known, rotationTimes(active.certificate.notBefore, endOfPath(active)).activateAt);
}
