import type { TLSSocket } from "node:tls";
import type { Certificate } from "../x509/index.ts";

/** The certificates the peer presented, leaf first, as our reader sees them; [] if it presented none. */
export function presentedChain(_socket: TLSSocket): Certificate[] {
  throw new TypeError("being written");
}
