// Whom an outbound listener expects and can never verify: members of a trust domain whose anchors nobody has given us.
import { SpiffeId, type TrustDomain } from "../../spiffe/index.ts";
import type { AdminFinding } from "../admin/view.ts";
import type { ProxyConfig } from "../config/schema.ts";

/** @param own our own trust domain */
export function strangersOf(config: ProxyConfig, own: TrustDomain): AdminFinding[] {
  const known = new Set([own.name, ...config.federation.map(({ trustDomain }) => trustDomain)]);
  return config.listeners.flatMap((listener) => {
    if (listener.direction === "inbound") return [];
    const strangers = listener.expect.filter((id) => !known.has(SpiffeId.parse(id).trustDomain.name));
    return strangers.map((id) => ({
      code: "MCA_SVID_UNTRUSTED",
      sentence: `The listener ${listener.name} expects ${id}, and no trust of that trust domain is known, so that every connection there fails. Add it under federation.`,
    }));
  });
}
