// What a name in a leaf may look like, decided a second time and from scratch: the SPIFFE ID grammar (SPIFFE-ID 2; rules
// ID-1 to ID-5, X-2) and DNS names (RFC 5280 4.2.1.6, RFC 1123 2.1). Shares nothing with src/spiffe.
import { LintFinding } from "./walker.ts";

/** How an ID stands to the reserved part of the trust domain, /mesh-ca/**. */
export type IdKind = "workload" | "server" | "probe";

const LEAF_ID = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/[A-Za-z0-9._-]+)+)$/;
const DNS_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Checks the one SPIFFE ID of a leaf. */
export function checkLeafId(id: string, trustDomain: string, kind: IdKind): void {
  const match = LEAF_ID.exec(id);
  if (match === null) throw new LintFinding("X-2", "another text", "a SPIFFE ID with a path that is not empty");
  if (id.length > 2048) throw new LintFinding("ID-5", `${id.length} bytes`, "at most 2048 bytes");
  const [, domain, path = ""] = match;
  if (domain !== trustDomain) throw new LintFinding("X-12", `trust domain ${domain}`, trustDomain);
  for (const segment of path.slice(1).split("/")) {
    if (segment === "." || segment === "..") throw new LintFinding("ID-4", `the segment ${segment}`, "no dot segments");
  }
  const reserved = path === "/mesh-ca" || path.startsWith("/mesh-ca/");
  const allowed = kind === "workload" ? !reserved : path === `/mesh-ca/${kind}`;
  if (!allowed) {
    throw new LintFinding("X-17", path, kind === "workload" ? "a path outside /mesh-ca" : `/mesh-ca/${kind}`);
  }
}

/** Checks a DNS name of a leaf: no wildcard, lower case, letters, digits and hyphens. */
export function checkDnsName(name: string): void {
  const labels = name.split(".");
  if (name.length > 253 || !labels.every((label) => DNS_LABEL.test(label))) {
    throw new LintFinding("RFC 5280 4.2.1.6", "another DNS name", "lower-case labels of letters, digits and hyphens");
  }
}
