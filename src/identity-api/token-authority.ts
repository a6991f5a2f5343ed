// What join tokens take from the authorities: pins to whoever may pose as the server, and the lifetime that bounds theirs.
import type { AuthorityManager } from "../ca/index.ts";
import type { TokenAuthority } from "./attest/index.ts";

/** Pins of every prepared and active authority of every replica. @throws AuthorityError where this replica may not issue */
export function tokenAuthority(authorities: AuthorityManager): TokenAuthority {
  const { certificate } = authorities.active();
  return {
    pins: authorities
      .published()
      .filter(({ state }) => state === "prepared" || state === "active")
      .map(({ spkiSha256 }) => spkiSha256),
    lifetimeSeconds: Math.floor((certificate.notAfter - certificate.notBefore) / 1000),
  };
}
