// The certificates that a peer presented, as DER read by our own reader. Never the printed form: names in it can be forged.
// All of them are visible only because our options give OpenSSL no CA (`ca: []`): where it can verify, Node hides the rest.
import type { TLSSocket } from "node:tls";
import type { Certificate } from "../x509/index.ts";
import { TlsError } from "./errors.ts";
import { readCertificate } from "./known-certificates.ts";

/** The longest chain that is read. */
const MAX_CERTIFICATES = 8;

/**
 * What the peer presented, leaf first, the rest in its order; [] if it presented nothing. Call it once for each connection.
 * @throws TlsError MCA_TLS_CHAIN_INVALID for more than 8 certificates, or one that our reader refuses
 */
export function presentedChain(socket: TLSSocket): Certificate[] {
  const chain: Certificate[] = [];
  let presented = socket.getPeerX509Certificate();
  while (presented !== undefined) {
    if (chain.length === MAX_CERTIFICATES) {
      throw new TlsError(
        "MCA_TLS_CHAIN_INVALID",
        `The peer presented more than ${MAX_CERTIFICATES} certificates: it must send its own and the intermediates, nothing else.`,
      );
    }
    chain.push(read(presented.raw));
    presented = presented.issuerCertificate;
  }
  return chain;
}

function read(der: Buffer): Certificate {
  try {
    return readCertificate(der);
  } catch (cause) {
    throw new TlsError(
      "MCA_TLS_CHAIN_INVALID",
      `The peer presented a certificate that cannot be read: ${cause instanceof Error ? cause.message : "unknown reason"}`,
      { cause },
    );
  }
}
