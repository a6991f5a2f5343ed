// Where the data plane forwards to.
import { isLoopback } from "../config/loopback.ts";

/** A place on the network or on this machine. */
export type Address =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

export interface Target {
  readonly address: Address;
  /** mtls: our identity is shown and the far side's is verified. plaintext: neither. */
  readonly security: "mtls" | "plaintext";
}

/** Whether whoever is there is on this machine, and nobody between. */
export function isLocal(address: Address): boolean {
  return address.kind === "unix" || isLoopback(address.host);
}

/** `host:port` (IPv6 in brackets) or the path, as logs and metrics name it. */
export function addressText(address: Address): string {
  if (address.kind === "unix") return address.path;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
