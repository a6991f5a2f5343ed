// Revocations, arranged so that asking costs the same for one and for a million.
import type { Certificate } from "../x509/index.ts";
import { SpiffeError } from "./errors.ts";
import type { SpiffeId } from "./spiffe-id.ts";
import type { Revocation } from "./trust-set.ts";

/** Which certificates the revocations of one trust domain match. */
export class RevocationIndex {
  readonly #serials = new Set<string>();
  readonly #spkis = new Set<string>();
  /** SPIFFE ID to the latest `issuedBefore`. */
  readonly #ids = new Map<string, number>();

  constructor(revocations: readonly Revocation[]) {
    for (const revocation of revocations) {
      switch (revocation.kind) {
        case "serial":
          this.#serials.add(revocation.serial);
          break;
        case "spki":
          this.#spkis.add(revocation.spkiSha256);
          break;
        case "id":
          this.#ids.set(
            revocation.spiffeId,
            Math.max(revocation.issuedBefore, this.#ids.get(revocation.spiffeId) ?? Number.NEGATIVE_INFINITY),
          );
          break;
      }
    }
  }

  /**
   * Refuses a path in which any certificate is revoked by serial or key, or whose leaf is revoked by ID. "Issued before T"
   * is judged by notBefore, which lies up to the clock skew (60 s) before the signature: nothing revoked ever passes, but
   * a certificate issued within that minute after T is refused as well.
   * @throws SpiffeError MCA_SVID_REVOKED
   */
  check(id: SpiffeId, path: readonly Certificate[]): void {
    for (const certificate of path) {
      if (this.#serials.has(certificate.serialHex)) throw revoked("serial", `serial ${certificate.serialHex}`);
      const { spkiSha256 } = certificate.publicKey;
      if (this.#spkis.has(spkiSha256)) throw revoked("spki", `public key ${spkiSha256}`);
    }
    const issuedBefore = this.#ids.get(id.toString());
    const notBefore = path[0]?.notBefore ?? Number.NEGATIVE_INFINITY;
    if (issuedBefore !== undefined && notBefore < issuedBefore) throw revoked("id", `SPIFFE ID ${id}`);
  }
}

function revoked(by: Revocation["kind"], what: string): SpiffeError {
  return new SpiffeError(
    "MCA_SVID_REVOKED",
    `The certificate is revoked by its ${what}. Its holder must enrol again with fresh evidence.`,
    { details: { by } },
  );
}
