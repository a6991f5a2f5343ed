// Who is at the other end, from the certificates that were presented. One verifier for each trust domain, chosen by the peer's own
// trust domain: an anchor of one never vouches for an ID of another. New trust is a new PeerVerifier.
import { createHash } from "node:crypto";
import { parseX509Svid, SpiffeError, type SpiffeId, type TrustSet, X509SvidVerifier } from "../../spiffe/index.ts";
import type { Certificate } from "../../x509/index.ts";
import type { ProxyPeer } from "./peer.ts";

export class PeerVerifier {
  readonly #byTrustDomain: ReadonlyMap<string, X509SvidVerifier>;

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
    const { trustDomain } = parseX509Svid(presented).id;
    const verifier = this.#byTrustDomain.get(trustDomain.name);
    if (verifier === undefined) {
      throw new SpiffeError(
        "MCA_SVID_UNTRUSTED",
        `No trust bundle of the trust domain ${trustDomain.name} is configured. Add it under federation, if its members may call.`,
        { details: { rule: "X-12", trustDomain: trustDomain.name } },
      );
    }
    const { id, leaf } = verifier.verify(chain, time);
    return {
      id,
      idText: id.toString(),
      chain,
      certificateSha256: createHash("sha256").update(leaf.der).digest("hex"),
      notAfter: leaf.notAfter,
    };
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
}
