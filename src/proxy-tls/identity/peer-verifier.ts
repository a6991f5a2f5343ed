// Who is at the other end, from the certificates that were presented. One verifier for each trust domain, chosen by the peer's own
// trust domain: an anchor of one never vouches for an ID of another. New trust is a new PeerVerifier.
//
// A verdict depends on nothing but the trust, the presented bytes and the time. As trust never changes within a verifier, the verdict
// about the same certificates holds for as long as each of the path is valid: whoever connects again is not calculated again.
import { createHash } from "node:crypto";
import {
  parseX509Svid,
  SpiffeError,
  type SpiffeId,
  type TrustSet,
  type VerifiedX509Svid,
  X509SvidVerifier,
} from "../../spiffe/index.ts";
import type { Certificate } from "../../x509/index.ts";
import type { ProxyPeer } from "./peer.ts";

interface Verdict {
  readonly peer: ProxyPeer;
  /** When every certificate of the path is valid, Unix milliseconds. */
  readonly from: number;
  readonly until: number;
}

export class PeerVerifier {
  readonly #byTrustDomain: ReadonlyMap<string, X509SvidVerifier>;
  /** By the leaf as it was read: src/tls gives the same object for the same bytes. */
  readonly #verdicts = new WeakMap<Certificate, Verdict>();

  /** @param trust at most one set for each trust domain */
  constructor(trust: readonly TrustSet[]) {
    this.#byTrustDomain = new Map(trust.map((set) => [set.trustDomain.name, new X509SvidVerifier(set)]));
    if (this.#byTrustDomain.size !== trust.length) throw new TypeError("two trust sets of one trust domain");
  }

  /** What is trusted, for `/certs`. */
  get trust(): readonly TrustSet[] {
    return [...this.#byTrustDomain.values()].map((verifier) => verifier.trust);
  }

  /**
   * Verifies a presented chain.
   * @param chain leaf first
   * @param time Unix milliseconds
   * @throws SpiffeError MCA_SVID_INVALID, MCA_SVID_UNTRUSTED, MCA_SVID_EXPIRED, MCA_SVID_NOT_YET_VALID, MCA_SVID_REVOKED
   */
  verify(chain: readonly Certificate[], time: number): ProxyPeer {
    const [presented] = chain;
    if (presented === undefined) {
      throw new SpiffeError("MCA_SVID_INVALID", "The peer showed no certificate. Give it an identity of this mesh.");
    }
    const known = this.#verdicts.get(presented);
    if (known !== undefined && time >= known.from && time <= known.until && isSame(known.peer.chain, chain)) {
      return known.peer;
    }
    const verified = this.#verify(presented, chain, time);
    const verdict = verdictOf(verified, chain);
    this.#verdicts.set(presented, verdict);
    return verdict.peer;
  }

  /**
   * Verifies a chain and requires that its ID is one of `expected`.
   * @throws SpiffeError as `verify`, and MCA_PEER_ID_UNEXPECTED
   */
  verifyExpected(chain: readonly Certificate[], expected: readonly SpiffeId[], time: number): ProxyPeer {
    const peer = this.verify(chain, time);
    if (expected.some((id) => id.equals(peer.id))) return peer;
    const wanted = expected.map(String).join(" or ");
    throw new SpiffeError(
      "MCA_PEER_ID_UNEXPECTED",
      `The peer is ${peer.idText}, not ${wanted}. Check the target's address, or whom the listener expects there.`,
      { details: { found: peer.idText, expected: wanted } },
    );
  }

  #verify(presented: Certificate, chain: readonly Certificate[], time: number): VerifiedX509Svid {
    const { trustDomain } = parseX509Svid(presented).id;
    const verifier = this.#byTrustDomain.get(trustDomain.name);
    if (verifier === undefined) {
      throw new SpiffeError(
        "MCA_SVID_UNTRUSTED",
        `No trust bundle of the trust domain ${trustDomain.name} is configured. Add it under federation, if its members may call.`,
        { details: { rule: "X-12", trustDomain: trustDomain.name } },
      );
    }
    return verifier.verify(chain, time);
  }
}

function verdictOf({ id, leaf, path }: VerifiedX509Svid, chain: readonly Certificate[]): Verdict {
  return {
    peer: {
      id,
      idText: id.toString(),
      chain,
      certificateSha256: createHash("sha256").update(leaf.der).digest("hex"),
      notAfter: leaf.notAfter,
    },
    from: Math.max(...path.map(({ notBefore }) => notBefore)),
    until: Math.min(...path.map(({ notAfter }) => notAfter)),
  };
}

/** The very same certificates in the same order. */
function isSame(one: readonly Certificate[], other: readonly Certificate[]): boolean {
  return one.length === other.length && one.every((certificate, index) => certificate === other[index]);
}
