// What the client certificate of a connection says about the peer. Decided by our own verifiers alone (spec/tls.md), once for each
// connection. A certificate that names any spiffe:// ID is judged as an SVID and as nothing else: the enterprise path is never a
// second chance for an SVID that was refused (rule X-16).
import { type Clock, MeshCaError } from "../../runtime/index.ts";
import { SpiffeError, type TrustSet, X509SvidVerifier } from "../../spiffe/index.ts";
import type { Certificate } from "../../x509/index.ts";
import { AttestError } from "./errors.ts";
import type { PeerVerdict } from "./types.ts";
import type { X509Attestor } from "./x509-attestor.ts";

export interface PeerJudgeOptions {
  /** What live peers are verified against. */
  readonly trust: () => TrustSet;
  /** What expired certificates are verified against: also authorities that have ended meanwhile, never distrusted ones. */
  readonly trustForExpired: () => TrustSet;
  readonly x509: readonly X509Attestor[];
  readonly clock: Clock;
}

/** How long before its end an expired certificate is judged: at a moment when it was certainly valid. */
const BEFORE_EXPIRY_MS = 1000;

export class PeerJudge {
  readonly #options: PeerJudgeOptions;
  readonly #live: () => X509SvidVerifier;
  readonly #expired: () => X509SvidVerifier;

  constructor(options: PeerJudgeOptions) {
    this.#options = options;
    this.#live = verifierOf(options.trust);
    this.#expired = verifierOf(options.trustForExpired);
  }

  /** Judges a presented chain, leaf first. What is wrong with it is a verdict, not an exception. */
  judge(chain: readonly Certificate[]): PeerVerdict {
    const [leaf] = chain;
    if (leaf === undefined) return { kind: "anonymous" };
    try {
      return namesSpiffeId(leaf) ? this.#judgeSvid(chain, leaf) : this.#judgeEnterprise(chain);
    } catch (error) {
      if (error instanceof MeshCaError) return { kind: "refused", error };
      throw error;
    }
  }

  #judgeSvid(chain: readonly Certificate[], leaf: Certificate): PeerVerdict {
    try {
      return { kind: "svid", svid: this.#live().verify(chain, this.#options.clock.now()) };
    } catch (error) {
      if (!(error instanceof SpiffeError) || error.code !== "MCA_SVID_EXPIRED") throw error;
    }
    const svid = this.#expired().verify(chain, leaf.notAfter - BEFORE_EXPIRY_MS);
    return { kind: "expired-svid", svid, expiredAt: leaf.notAfter };
  }

  #judgeEnterprise(chain: readonly Certificate[]): PeerVerdict {
    let cause: MeshCaError | undefined;
    for (const attestor of this.#options.x509) {
      try {
        const { path, evidence } = attestor.validate(chain, this.#options.clock.now());
        const { attributes, requester } = evidence;
        return { kind: "enterprise", attestor: attestor.instance, path, attributes, requester };
      } catch (error) {
        if (!(error instanceof MeshCaError)) throw error;
        cause ??= error;
      }
    }
    throw new AttestError(
      "MCA_PEER_REFUSED",
      cause === undefined
        ? "The client certificate is no SVID of this trust domain, and no enterprise PKI is configured (attestors, kind: x509)."
        : `The client certificate is neither an SVID of this trust domain nor acceptable as a certificate of the configured PKI. ${cause.message}`,
      cause === undefined ? {} : { cause, details: cause.details },
    );
  }
}

/** The scheme is compared without case, so that "SPIFFE://" is judged, and refused, as an SVID. */
function namesSpiffeId(leaf: Certificate): boolean {
  return (leaf.subjectAltName?.names ?? []).some((name) => name.kind === "uri" && /^spiffe:/i.test(name.value));
}

/** A verifier remembers checked signatures, so it is kept for as long as its trust set is the current one. */
function verifierOf(trust: () => TrustSet): () => X509SvidVerifier {
  let verifier: X509SvidVerifier | undefined;
  return () => {
    const current = trust();
    if (verifier?.trust !== current) verifier = new X509SvidVerifier(current);
    return verifier;
  };
}
