// What is in the extensions that no rule of a path looks into, and that other readers look at all the same: URIs have to be URIs
// (RFC 3986, RFC 5280 section 4.2.1.6), and where to ask for revocations has to be readable (sections 4.2.1.13, 4.2.2.1).
import { type PathError, X509Error } from "../errors.ts";
import { crlDistributionPoints, ocspResponders } from "../revocation-sources.ts";
import type { Certificate } from "../types.ts";
import { broken, quoted } from "./finding.ts";

const CHARACTERS = /^[a-z][a-z0-9+.-]*:(?:[a-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9a-f]{2})*$/i;
/** Without an authority there is no host that a name constraint could meet. Microsoft Intune writes "ID:Microsoft Endpoint Manager:GUID:...". */
const OPAQUE = /^[a-z][a-z0-9+.-]*:[^/ -][ -~]*$/i;
const AUTHORITY = /^[^:]*:\/\/(?:[^/?#@[\]]*@)?([^/?#@]*)(?:[/?#]|$)/;
/** A name without empty labels or a final dot, and without escapes; or none. */
const NAMED_HOST = /^(?:[a-z0-9\-_~!$&'()*+,;=]+(?:\.[a-z0-9\-_~!$&'()*+,;=]+)*)?(?::[0-9]*)?$/i;
const ADDRESS_HOST = /^\[[0-9a-f:]+\](?::[0-9]*)?$/i;

/** subject-alternative-name, malformed-extension */
export function* extensionErrors(certificate: Certificate): Generator<PathError> {
  for (const name of certificate.subjectAltName?.names ?? []) {
    if (name.kind !== "uri" || isUri(name.value)) continue;
    const found = `${quoted(name.value)} as a URI`;
    yield broken("subject-alternative-name", certificate, found, "an absolute URI (RFC 3986)");
  }
  for (const read of [crlDistributionPoints, ocspResponders]) {
    try {
      read(certificate);
    } catch (error) {
      if (!(error instanceof X509Error)) throw error;
      yield broken("malformed-extension", certificate, error.message, "extensions that can be read");
    }
  }
}

function isUri(text: string): boolean {
  if (OPAQUE.test(text)) return true;
  if (!CHARACTERS.test(text)) return false;
  const host = AUTHORITY.exec(text)?.[1];
  if (host === undefined) return !/^[^:]*:\/\//.test(text);
  return ADDRESS_HOST.test(host) ? URL.canParse(`http://${host}/`) : NAMED_HOST.test(host);
}
