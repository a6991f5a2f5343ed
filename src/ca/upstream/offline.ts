// The upstream "offline": people carry a certification request to a CA that they keep elsewhere, and bring back what it signed.
import type { OfflineUpstream } from "./upstream.ts";

/** Makes requests and waits for `authority import`. */
export function offlineUpstream(): OfflineUpstream {
  return {
    kind: "offline",
    answersAtOnce: false,
    request() {
      throw new TypeError("the upstream offline is not there yet");
    },
  };
}
