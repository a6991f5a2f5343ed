// What join tokens take from the authorities: pins to whoever may pose as the server, and the lifetime that bounds theirs.
import { MAX_PINS } from "../spiffe/index.ts";
import type { TokenAuthority } from "./attest/index.ts";

/** What is asked of the AuthorityManager. */
export interface PinnedAuthorities {
  active(): {
    readonly spkiSha256: string;
    readonly certificate: { readonly notBefore: number; readonly notAfter: number };
  };
  published(): readonly { readonly state: string; readonly spkiSha256: string }[];
}

/**
 * Pins of prepared and active authorities of every replica, as many as a token takes: this replica's own active one first, then
 * what is active elsewhere, then what is prepared. @throws AuthorityError where this replica may not issue
 */
export function tokenAuthority(authorities: PinnedAuthorities): TokenAuthority {
  const { certificate, spkiSha256: own } = authorities.active();
  const published = authorities.published();
  const pinsOf = (wanted: "active" | "prepared") =>
    published.flatMap(({ state, spkiSha256 }) => (state === wanted ? [spkiSha256] : []));
  return {
    pins: [...new Set([own, ...pinsOf("active"), ...pinsOf("prepared")])].slice(0, MAX_PINS),
    lifetimeSeconds: Math.floor((certificate.notAfter - certificate.notBefore) / 1000),
  };
}
