// What to say where a path does not reach a root: which certificate is missing, by name and key identifier.
import { type Certificate, labelOf, nameToString, sameName, toHex } from "../../x509/index.ts";
import type { Finding } from "./finding.ts";
import { isSelfIssued, type PathSearch } from "./path-search.ts";

/**
 * The findings for a certificate without a path to an anchor.
 * @param known everything that could have been an issuer
 */
export function gapFindings(
  search: PathSearch,
  known: readonly Certificate[],
  name: (certificate: Certificate) => string,
): readonly Finding[] {
  const findings: Finding[] = [];
  const { loop, deepest, exhausted } = search;
  if (loop !== undefined) {
    findings.push({
      severity: "error",
      certificate: name(loop[0] ?? deepest[0] ?? fail()),
      rule: "loop",
      found: `a chain that goes round in circles: ${loop.map((member) => labelOf(member)).join(" <- ")}`,
      expected: "a chain that ends at a root",
    });
  }
  if (exhausted) {
    findings.push({
      severity: "error",
      certificate: name(deepest[0] ?? fail()),
      rule: "bounded-work",
      found: "more certificates with the same names than can be looked through, or a chain of more than 8",
      expected: "the certificate of the authority and its path alone",
    });
  }
  const top = deepest[deepest.length - 1] ?? fail();
  if (findings.length === 0) findings.push(missingIssuer(top, known, name));
  return findings;
}

function missingIssuer(
  top: Certificate,
  known: readonly Certificate[],
  name: (certificate: Certificate) => string,
): Finding {
  const issuer = nameToString(top.issuer);
  const keyId = top.authorityKeyId === undefined ? "" : ` with the key id ${toHex(top.authorityKeyId)}`;
  const namesake = known.find((other) => other !== top && sameName(other.subject, top.issuer));
  const expected = isSelfIssued(top)
    ? "a root that is trusted or among the files, and whose key signed it"
    : `the certificate "${issuer}"${keyId}, which issued it, among the files`;
  if (namesake === undefined) {
    return {
      severity: "error",
      certificate: name(top),
      rule: "chain",
      found: "no certificate of its issuer",
      expected,
    };
  }
  const other = namesake.subjectKeyId === undefined ? "" : ` (key id ${toHex(namesake.subjectKeyId)})`;
  return {
    severity: "error",
    certificate: name(top),
    rule: "chain",
    found: `a certificate of its issuer's name${other} whose key did not sign it: ${name(namesake)}`,
    expected,
  };
}

function fail(): never {
  throw new TypeError("a path is never empty");
}
