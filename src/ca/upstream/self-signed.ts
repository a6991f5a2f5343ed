// being written
import type { Upstream } from "./upstream.ts";
export const selfSignedUpstream: Upstream = {
  kind: "self-signed",
  async certify() {
    throw new TypeError("being written");
  },
};
