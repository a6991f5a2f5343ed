// The reserved part of every trust domain, /mesh-ca/** (rule X-17), and what each ID in it may be used for.
// Nothing here grants: it only says what an ID can mean. Whoever compares a server's ID compares it exactly.
import { SpiffeId } from "./spiffe-id.ts";
import type { TrustDomain } from "./trust-domain.ts";

/** The one ID of every mesh-ca server of the trust domain: `spiffe://<td>/mesh-ca/server`. */
export function serverId(trustDomain: TrustDomain): SpiffeId {
  return SpiffeId.of(trustDomain, "/mesh-ca/server");
}

/** The ID of probe certificates, which authenticate nothing: `spiffe://<td>/mesh-ca/probe`. */
export function probeId(trustDomain: TrustDomain): SpiffeId {
  return SpiffeId.of(trustDomain, "/mesh-ca/probe");
}

/** What an ID stands for. `nothing`: reserved without a use, so that it authenticates nobody. */
export type IdRole =
  | { readonly kind: "workload" }
  | { readonly kind: "server" }
  | { readonly kind: "agent"; readonly name: string }
  | { readonly kind: "nothing" };

const AGENT = /^\/mesh-ca\/agent\/([^/]+)$/;

/** Says what an ID stands for. */
export function idRole(id: SpiffeId): IdRole {
  if (!id.isReserved) return id.path === "" ? { kind: "nothing" } : { kind: "workload" };
  if (id.path === "/mesh-ca/server") return { kind: "server" };
  const name = AGENT.exec(id.path)?.[1];
  return name === undefined ? { kind: "nothing" } : { kind: "agent", name };
}
