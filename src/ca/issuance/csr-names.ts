// What a CSR may say about its name (invariant 3). Nothing in it is copied; but a caller that asks for another identity
// than the one it was granted has made a mistake that it must hear of.
import type { SpiffeId } from "../../spiffe/index.ts";
import type { Csr } from "../../x509/index.ts";
import { IssuanceError } from "./errors.ts";

const SPIFFE_SCHEME = /^spiffe:/i;

/**
 * Holds the names of a CSR against the granted identity. DNS names, the subject and URIs that are no SPIFFE IDs are ignored.
 * @throws IssuanceError MCA_CSR_URI_SANS for several URI names, MCA_CSR_SPIFFE_ID_MISMATCH for another SPIFFE ID
 */
export function requireMatchingNames(csr: Csr, granted: SpiffeId): void {
  let uri: string | undefined;
  for (const name of csr.requestedNames) {
    if (name.kind !== "uri") continue;
    if (uri !== undefined) {
      throw new IssuanceError(
        "MCA_CSR_URI_SANS",
        "The CSR names several URIs, but an X.509-SVID has exactly one. Leave the names out: the identity comes from the rules.",
      );
    }
    uri = name.value;
  }
  if (uri === undefined || !SPIFFE_SCHEME.test(uri) || uri === granted.toString()) return;
  throw new IssuanceError(
    "MCA_CSR_SPIFFE_ID_MISMATCH",
    `The CSR names another SPIFFE ID than the one that the rules grant (${granted.toString()}). Leave the name out, or ask which rule applies: npx mesh-ca explain`,
    { details: { granted: granted.toString() } },
  );
}
