import type { Certificate } from "../x509/index.ts";
import type { TrustDomain } from "./trust-domain.ts";

/** A key that signs JWT-SVIDs or WIT-SVIDs. */
export interface BundleKey {
  readonly keyId: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
}

/** The bundle of one trust domain in SPIFFE's format. */
export interface Bundle {
  readonly trustDomain: TrustDomain;
  readonly x509Authorities: readonly Certificate[];
  readonly jwtAuthorities: readonly BundleKey[];
  readonly witAuthorities: readonly BundleKey[];
  readonly sequence: bigint | undefined;
  readonly refreshHintSeconds: number;
}

/** Writes a SPIFFE bundle (JWKS). */
export function encodeBundle(
  _bundle: Pick<Bundle, "x509Authorities" | "sequence" | "refreshHintSeconds"> & Partial<Bundle>,
): string {
  throw new TypeError("being written");
}

/** Reads the bundle of `trustDomain`. The document does not name its trust domain: the caller must know it. */
export function parseBundle(_text: string, _trustDomain: TrustDomain): Bundle {
  throw new TypeError("being written");
}
