// Whether the name constraints above an authority permit every name that its leaves may have (RFC 5280 section 4.2.1.10).
// Permitted subtrees are taken narrowly and excluded ones widely, as by the path validator: OpenSSL reads a URI constraint
// as that host alone, Go as the hosts beneath it too, and both must take our leaves.
import type { TrustDomain } from "../../spiffe/index.ts";
import { type Certificate, nameForbiddenBy } from "../../x509/index.ts";
import type { Finding } from "./finding.ts";

/** DNS names that rules may grant: one, everything below a suffix ("svc.example.test"), or any. */
export type DnsGrant =
  | { readonly kind: "exact"; readonly name: string }
  | { readonly kind: "below"; readonly suffix: string }
  | { readonly kind: "any" };

/** What the constraints of a path forbid of the names that will be issued beneath it. */
export function nameFindings(
  path: readonly Certificate[],
  trustDomain: TrustDomain,
  grants: readonly DnsGrant[],
  name: (certificate: Certificate) => string,
): readonly Finding[] {
  const findings: Finding[] = [];
  for (const ca of path) {
    if (ca.nameConstraints === undefined) continue;
    const refuse = (found: string, expected: string): void => {
      findings.push({ severity: "error", certificate: name(ca), rule: "name-constraints", found, expected });
    };
    const uri = `${trustDomain.id}/workload`;
    const forbidden = nameForbiddenBy(ca, { kind: "uri", value: uri });
    if (forbidden !== undefined) {
      refuse(
        `${constraintsOf(ca, "uri")}, which do not permit ${trustDomain.id} for every verifier`,
        `URI constraints that permit the host "${trustDomain.name}" itself and do not exclude it`,
      );
    }
    for (const grant of grants) {
      if (permitsDns(ca, grant)) continue;
      refuse(
        `${constraintsOf(ca, "dns")}, which do not permit ${grantToString(grant)}`,
        "DNS constraints that permit every DNS name that identity rules may grant; or change the rules",
      );
    }
    if (hasUriConstraints(ca)) {
      findings.push({
        severity: "warning",
        certificate: name(ca),
        rule: "name-constraints",
        found: "constraints on URIs",
        expected: "none where rustls-webpki or pyca/cryptography verify: they refuse every chain with such constraints",
      });
    }
  }
  return findings;
}

/** Whether a CA limits the URIs beneath it. */
function hasUriConstraints({ nameConstraints }: Certificate): boolean {
  const { permitted = [], excluded = [] } = nameConstraints ?? {};
  return [...permitted, ...excluded].some(({ kind }) => kind === "uri");
}

/** Whether a CA may issue for URIs of one host alone: what makes a root safe to share. */
export function isConfinedTo(ca: Certificate, trustDomain: TrustDomain): boolean {
  const uris = (ca.nameConstraints?.permitted ?? []).flatMap((base) => (base.kind === "uri" ? [base.value] : []));
  return uris.length > 0 && uris.every((host) => host.toLowerCase() === trustDomain.name);
}

function permitsDns(ca: Certificate, grant: DnsGrant): boolean {
  if (grant.kind === "exact") return nameForbiddenBy(ca, { kind: "dns", value: grant.name }) === undefined;
  const permitted = dnsBases(ca, "permitted");
  const excluded = dnsBases(ca, "excluded");
  if (grant.kind === "any") return excluded.length === 0 && permitted.every((base) => base === "");
  const suffix = grant.suffix.toLowerCase().replace(/^\./, "");
  const covers = (base: string): boolean => base === "" || suffix === base || suffix.endsWith(`.${base}`);
  // An excluded subtree may lie above the suffix or in the midst of what is below it.
  if (excluded.some((base) => covers(base) || base.endsWith(`.${suffix}`))) return false;
  return permitted.length === 0 || permitted.some(covers);
}

/** DNS subtrees in lower case; ".example.test" and "example.test" are the same for names that lie below. */
function dnsBases(ca: Certificate, list: "permitted" | "excluded"): readonly string[] {
  const bases: string[] = [];
  for (const base of ca.nameConstraints?.[list] ?? []) {
    if (base.kind === "dns") bases.push(base.value.toLowerCase().replace(/^\./, ""));
  }
  return bases;
}

function constraintsOf(ca: Certificate, kind: "uri" | "dns"): string {
  const list = (bases: readonly string[]): string => bases.map((base) => JSON.stringify(base)).join(", ") || "none";
  const of = (which: "permitted" | "excluded"): string =>
    list((ca.nameConstraints?.[which] ?? []).flatMap((base) => (base.kind === kind ? [base.value] : [])));
  return `${kind === "uri" ? "URI" : "DNS"} constraints (permitted: ${of("permitted")}; excluded: ${of("excluded")})`;
}

function grantToString(grant: DnsGrant): string {
  switch (grant.kind) {
    case "exact":
      return grant.name;
    case "below":
      return `every name below ${grant.suffix}`;
    case "any":
      return "every DNS name";
  }
}
