// The rules that a leaf certificate must keep to be an X509-SVID (X509-SVID, sections 2 to 5; rules ).
import type { Certificate } from "../x509/index.ts";
import type { SpiffeId } from "./spiffe-id.ts";

/** A leaf that keeps the rules of an X509-SVID. Says nothing about who signed it: see X509SvidVerifier. */
export interface X509Svid {
  readonly id: SpiffeId;
  readonly certificate: Certificate;
}

/**
 * Reads the SPIFFE ID of a leaf and checks every leaf rule.
 * @throws SpiffeError MCA_SVID_INVALID with the broken rule in `details.rule`
 */
export function parseX509Svid(_certificate: Certificate): X509Svid {
  throw new TypeError("being written");
}
