// What people who run a CA can do about a finding. One sentence for each rule; where the finding itself says what to do there is none.
import type { Finding } from "./finding.ts";

const AGAIN = "Have it signed again with";
const OTHER_CA = "Sign with a CA whose whole path keeps this rule, or replace the CA that breaks it.";

const REMEDIES: ReadonlyMap<string, string> = new Map([
  [
    "key",
    "Import what was signed for the request that waits; npx mesh-ca authority csr prints that request again. If a request was mixed up, sign this one.",
  ],
  [
    "basic-constraints",
    "A profile for subordinate CAs is needed: basicConstraints critical, CA:TRUE, path length 0. openssl takes extensions from -extfile, not from the request.",
  ],
  ["key-usage", `${AGAIN} a critical key usage of keyCertSign and cRLSign.`],
  [
    "extended-key-usage",
    "Leave the extended key usage out, or list serverAuth and clientAuth; each CA above that lists any has to list both.",
  ],
  ["subject", `${AGAIN} the subject of the request, or another that no other CA has.`],
  ["subject-key-identifier", `${AGAIN} the extension subjectKeyIdentifier (openssl: subjectKeyIdentifier=hash).`],
  ["spiffe-id", "Have it signed again without URI names: a CA needs none."],
  [
    "path-length",
    "Sign with a CA whose path length leaves room for one more CA (1 or more, or none stated); a path length cannot be changed without issuing that CA anew.",
  ],
  ["key-strength", OTHER_CA],
  [
    "signature-algorithm",
    "Have that certificate signed again with SHA-256 or better; a root too, if it is the root's.",
  ],
  ["signature", "Take the file from its CA once more: it was damaged or exchanged, or belongs to another issuer."],
  [
    "key-identifier",
    "Take the issuer's certificate that has this key: CAs that were renewed have several with one name.",
  ],
  [
    "expired",
    "Sign with a CA that is valid, and bring its present certificate: CAs that were renewed have several with one name.",
  ],
  ["not-yet-valid", "Wait until then, or compare the clocks of the CA and of this server."],
  ["lifetime", "Ask for a longer validity; where a CA above ends first, sign with one that lasts longer."],
  [
    "name-constraints",
    "Have the constraints of that CA changed, or sign with another CA. docs/enterprise-pki.md, Name constraints.",
  ],
  ["certificate-policies", "Have the policies that the CAs above require put into the certificates beneath them."],
  ["unknown-critical-extension", "Have it signed again without that extension, or with the extension not critical."],
  ["malformed-extension", "Have it signed again; that extension does not follow its standard."],
  ["chain", "Add that certificate to the files: the CA that signed has it."],
  ["loop", "Leave out cross-signed certificates that are not needed, and bring the root."],
  ["root", "Bring the self-signed root as well."],
  ["one-authority", "Import them one after the other."],
  ["bounded-work", "Bring the certificate of the authority, the CAs above it, and one root."],
]);

/** Warnings with these rules are for somebody to decide; their own text is not enough. */
const WARNING_REMEDIES: ReadonlyMap<string, string> = new Map([
  [
    "dedicated-root",
    "docs/enterprise-pki.md, Whose root? If it is for this trust domain alone, say so: operations.dedicatedRoot: true.",
  ],
]);

/** A certificate of version 1 is what openssl makes of a request where nobody says otherwise. */
const VERSION =
  "openssl x509 -req makes a certificate without extensions (version 1) where -extfile is left out: sign again with it.";

/** What helps against a finding; empty where it says so itself, or where nothing has to be done. */
export function remedyOf({ severity, rule, found }: Finding): string {
  if (rule === "readable") return /\bversion\b/.test(found) ? VERSION : "";
  return (severity === "error" ? REMEDIES : WARNING_REMEDIES).get(rule) ?? "";
}
