// What a verifier of one trust domain believes: anchors, published authorities, and what is no longer trusted.
// Plain data; whoever holds it got it from the server (WatchTrust), a trust file, or a bundle.
import type { Certificate } from "../x509/index.ts";
import type { TrustDomain } from "./trust-domain.ts";

/** SPIFFE Federation 5.1: how often to refresh where the bundle does not say (rule B-3). */
export const DEFAULT_REFRESH_HINT_SECONDS = 300;

/** A predicate: a certificate that matches is no longer valid, whatever its signature says. */
export type Revocation =
  /** By serial number: lower-case hex of the magnitude. */
  | { readonly kind: "serial"; readonly serial: string }
  /** By public key: lower-case hex of SHA-256 over the SubjectPublicKeyInfo. */
  | { readonly kind: "spki"; readonly spkiSha256: string }
  /** Every certificate of this SPIFFE ID whose notBefore lies before `issuedBefore` (Unix milliseconds). */
  | { readonly kind: "id"; readonly spiffeId: string; readonly issuedBefore: number };

/** The trust of exactly one trust domain. Never merge two (rules X-12, B-10). */
export interface TrustSet {
  readonly trustDomain: TrustDomain;
  /** Trust anchors: self-signed authorities and upstream roots. */
  readonly anchors: readonly Certificate[];
  /** The published authorities: prepared, active, retired. `undefined`: only anchors are known, and rule X-16 is off. */
  readonly authorities: readonly Certificate[] | undefined;
  /** Certificates between the authorities and the anchors. */
  readonly intermediates: readonly Certificate[];
  /** Keys that are no longer trusted anywhere in a chain: lower-case hex of the SPKI's SHA-256. */
  readonly distrustedSpkis: ReadonlySet<string>;
  readonly revocations: readonly Revocation[];
  /** `spiffe_sequence`: grows with every change of the SPIFFE bundle (anchors, refresh hint). */
  readonly sequence: bigint;
  /** Grows with every change of anything here, as WatchTrust counts it; 0: unknown, older than all others. */
  readonly revision: bigint;
  readonly refreshHintSeconds: number;
}
