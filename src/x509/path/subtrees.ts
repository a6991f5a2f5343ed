// Whether a name lies within a subtree of name constraints (RFC 5280 section 4.2.1.10), one function for each kind of name.
// Where implementations read a rule differently, a permitted subtree is taken narrowly and an excluded one widely, so that
// we are never more lenient than OpenSSL or Go. A name that cannot be parsed throws Unparsable: it is neither in nor out.
import { canonicalName } from "../name.ts";
import type { GeneralName, SubtreeBase } from "../types.ts";
import { quoted } from "./finding.ts";

/** A name or a constraint whose meaning is not clear. */
export class Unparsable extends Error {}

export type SubtreeSense = "permitted" | "excluded";

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
const MAX_HOST = 253;

/** A host name in lower case; a leading "*" label is kept where it is allowed. */
function parseHost(text: string, wildcard: boolean): string {
  const host = text.toLowerCase();
  const labels = host.split(".");
  if (wildcard && labels.length > 1 && labels[0] === "*") labels.shift();
  if (host.length > MAX_HOST || !labels.every((label) => LABEL.test(label)))
    throw new Unparsable(`${quoted(text)}, which is no DNS name`);
  return host;
}

const isWithin = (host: string, domain: string): boolean => host.endsWith(`.${domain}`);

/** dNSName: the name itself and everything beneath it; "" is everything; ".example.com" is what lies beneath. */
export function dnsWithin(name: string, base: string, sense: SubtreeSense): boolean {
  const host = parseHost(name, true);
  if (base === "") return true;
  const beneathOnly = base.startsWith(".");
  const domain = parseHost(beneathOnly ? base.slice(1) : base, false);
  if (isWithin(host, domain) || (!beneathOnly && host === domain)) return true;
  // "*.example.com" stands for names of which some may be excluded.
  return sense === "excluded" && host.startsWith("*.") && isWithin(domain, host.slice(2));
}

/** The host of a URI with an authority, which must be a DNS name: no IP address, no user information. */
function hostOfUri(uri: string): string {
  const match = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(uri);
  const authority = match?.[1] ?? "";
  const host = authority.replace(/:[0-9]*$/, "");
  if (/^[0-9.]*$/.test(host)) throw new Unparsable(`the URI ${quoted(uri)}, whose host is no DNS name`);
  return parseHost(host, false);
}

/** uniformResourceIdentifier: a constraint is a host, or ".example.com" for what lies beneath. */
export function uriWithin(uri: string, base: string, sense: SubtreeSense): boolean {
  return hostWithin(hostOfUri(uri), base, sense);
}

/** RFC 5280: exactly that host. Go takes hosts beneath it too, and we exclude those as well. */
function hostWithin(host: string, base: string, sense: SubtreeSense): boolean {
  if (base.startsWith(".")) return isWithin(host, parseHost(base.slice(1), false));
  const domain = parseHost(base, false);
  return host === domain || (sense === "excluded" && isWithin(host, domain));
}

function parseMailbox(text: string): { local: string; host: string } {
  const at = text.lastIndexOf("@");
  const local = text.slice(0, at);
  if (at < 1 || !/^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+$/.test(local))
    throw new Unparsable(`${quoted(text)}, which is no mailbox`);
  return { local, host: parseHost(text.slice(at + 1), false) };
}

/** rfc822Name: a constraint is a mailbox, a host, or ".example.com" for hosts beneath. */
export function emailWithin(mailbox: string, base: string, sense: SubtreeSense): boolean {
  const { local, host } = parseMailbox(mailbox);
  if (!base.includes("@")) return hostWithin(host, base, sense);
  const constraint = parseMailbox(base);
  const sameLocal =
    sense === "excluded" ? local.toLowerCase() === constraint.local.toLowerCase() : local === constraint.local;
  return sameLocal && host === constraint.host;
}

/** Throws Unparsable where a name of these kinds could not be compared with any constraint. */
export function assertComparable(name: GeneralName): void {
  if (name.kind === "dns") parseHost(name.value, true);
  if (name.kind === "uri") hostOfUri(name.value);
  if (name.kind === "email") parseMailbox(name.value);
}

/** Throws Unparsable where a constraint could not be compared with any name of its kind. */
export function assertComparableBase(base: SubtreeBase): void {
  if (base.kind === "dns") dnsWithin("a.test", base.value, "permitted");
  // The empty constraint has no agreed meaning for these two: it refuses once there is a name to compare it with.
  if (base.kind === "uri" && /^[0-9.]+$/.test(base.value)) {
    throw new Unparsable(`the URI constraint ${quoted(base.value)}, which is no DNS name`);
  }
  if (base.kind === "uri" && base.value !== "") hostWithin("a.test", base.value, "permitted");
  if (base.kind === "email" && base.value !== "") emailWithin("a@a.test", base.value, "permitted");
}

/** iPAddress: an address within a prefix of its own family. */
export function ipWithin(address: Uint8Array, base: Extract<SubtreeBase, { kind: "ip" }>): boolean {
  if (address.length !== base.address.length) return false;
  return address.every((octet, i) => {
    const mask = base.mask[i] ?? 0;
    return (octet & mask) === ((base.address[i] ?? 0) & mask);
  });
}

/** directoryName: the subtree's relative distinguished names begin the name's. */
export function directoryWithin(name: Uint8Array, base: Uint8Array): boolean {
  const rdns = canonicalName(name);
  return canonicalName(base).every((rdn, i) => rdn === rdns[i]);
}
