// The verified peer of a connection, inbound or outbound.
import type { SpiffeId } from "../../spiffe/index.ts";
import type { Certificate } from "../../x509/index.ts";

/** Made once for each connection, from the chain that the peer presented, by PeerVerifier. */
export interface ProxyPeer {
  readonly id: SpiffeId;
  /** `id` as text. */
  readonly idText: string;
  /** Leaf first, as presented: kept, so that the peer can be judged again when trust changes. */
  readonly chain: readonly Certificate[];
  /** SHA-256 of the leaf's DER, lower-case hex. */
  readonly certificateSha256: string;
  /** Unix milliseconds. */
  readonly notAfter: number;
}
