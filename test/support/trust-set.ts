// What a trust domain believes, as most tests want it: nothing distrusted, nothing revoked.
import { DEFAULT_REFRESH_HINT_SECONDS, type TrustSet } from "../../src/spiffe/index.ts";

export function trustSet(
  trusted: Pick<TrustSet, "trustDomain" | "anchors" | "authorities">,
  changes: Partial<TrustSet> = {},
): TrustSet {
  return {
    ...trusted,
    intermediates: [],
    distrustedSpkis: new Set(),
    revocations: [],
    sequence: 1n,
    revision: 1n,
    refreshHintSeconds: DEFAULT_REFRESH_HINT_SECONDS,
    ...changes,
  };
}
