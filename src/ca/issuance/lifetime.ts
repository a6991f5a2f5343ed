// How long a certificate lives, and which rule made it shorter (invariant 4: nothing outlives its issuer). Pure.
import { formatTime } from "../../runtime/index.ts";
import { AuthorityError } from "../authority/errors.ts";
import { IssuanceError } from "./errors.ts";
import type { IssuanceSettings } from "./settings.ts";

export interface LifetimeQuestion {
  /** Unix milliseconds. */
  readonly now: number;
  /** What the rule grants, and why it is shorter than asked, if it is. */
  readonly granted: { readonly ttlSeconds: number; readonly rule: string; readonly shortenedBy?: string | undefined };
  /** What the caller wishes for; undefined or 0: what is granted. */
  readonly askedTtlSeconds?: number | undefined;
  /** Validity of the issuing authority, Unix milliseconds, whole seconds. */
  readonly issuer: { readonly notBefore: number; readonly notAfter: number };
  readonly settings: IssuanceSettings;
}

export interface Lifetime {
  /** Unix milliseconds, whole seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** From now to notAfter. */
  readonly ttlSeconds: number;
  /** Which rule made it shorter than asked or configured; empty if none did. */
  readonly shortenedBy: string;
}

/**
 * Decides the validity: [max(now - skew, issuer's notBefore), min(now + ttl, issuer's notAfter)], in whole seconds.
 * @throws IssuanceError MCA_TTL_TOO_SHORT when it is asked for or granted under the floor; AuthorityError
 *   MCA_ISSUER_EXPIRING when the issuer's end would bring it under the floor.
 */
export function decideLifetime(question: LifetimeQuestion): Lifetime {
  const { granted, issuer, settings } = question;
  const now = wholeSecond(question.now);
  const asked = question.askedTtlSeconds || undefined;
  let ttlSeconds = Math.min(granted.ttlSeconds, asked ?? granted.ttlSeconds);
  let shortenedBy = "";
  if (asked === undefined || asked >= granted.ttlSeconds) {
    shortenedBy =
      granted.shortenedBy ??
      (asked !== undefined && asked > granted.ttlSeconds
        ? `rule ${granted.rule}: ttlSeconds ${granted.ttlSeconds}`
        : "");
  }
  if (ttlSeconds > settings.maxTtlSeconds) {
    ttlSeconds = settings.maxTtlSeconds;
    shortenedBy = `issuance.maxTtlSeconds ${settings.maxTtlSeconds}`;
  }
  if (!(ttlSeconds >= settings.minTtlSeconds)) {
    throw new IssuanceError(
      "MCA_TTL_TOO_SHORT",
      `A lifetime of ${ttlSeconds} s is under the floor of ${settings.minTtlSeconds} s. Ask for more, or lower issuance.minTtlSeconds.`,
      { details: { found: `${ttlSeconds}`, expected: `at least ${settings.minTtlSeconds}` } },
    );
  }
  const left = Math.floor((issuer.notAfter - now) / 1000);
  if (ttlSeconds > left) {
    if (left < settings.minTtlSeconds) throw issuerExpiring(issuer.notAfter, left, settings.minTtlSeconds);
    ttlSeconds = left;
    shortenedBy = `the authority's certificate ends at ${formatTime(issuer.notAfter)}`;
  }
  return {
    notBefore: Math.max(now - settings.clockSkewSeconds * 1000, issuer.notBefore),
    notAfter: now + ttlSeconds * 1000,
    ttlSeconds,
    shortenedBy,
  };
}

function issuerExpiring(notAfter: number, leftSeconds: number, floorSeconds: number): AuthorityError {
  return new AuthorityError(
    "MCA_ISSUER_EXPIRING",
    `The authority's certificate ends at ${formatTime(notAfter)}: a certificate would live ${Math.max(leftSeconds, 0)} s, under the floor of ${floorSeconds} s. The operator must give it a successor (see the server's log for why there is none).`,
    { details: { notAfter: formatTime(notAfter), floorSeconds: `${floorSeconds}` } },
  );
}

function wholeSecond(unixMs: number): number {
  return Math.floor(unixMs / 1000) * 1000;
}
