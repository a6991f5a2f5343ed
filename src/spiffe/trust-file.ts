import type { TrustSet } from "./trust-set.ts";

/** Writes the `mesh-ca` trust file (JSON): everything a client needs to verify the server and its peers. */
export function encodeTrustFile(_trust: TrustSet): string {
  throw new TypeError("being written");
}

/** Reads a trust file. @throws SpiffeError MCA_TRUST_FILE_INVALID */
export function parseTrustFile(_text: string): TrustSet {
  throw new TypeError("being written");
}
