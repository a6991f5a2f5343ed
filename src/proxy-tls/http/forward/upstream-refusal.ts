// What the client is told when the target failed: that it did, and how, never the target's own words.
import type { ConnectFailure } from "../../upstream/pooled.ts";
import type { UpstreamFailure } from "../exchange.ts";
import type { HttpRefusal } from "../refusal.ts";

export function refusalOfConnect(failure: ConnectFailure): HttpRefusal {
  return failure.kind === "limit"
    ? { status: 503, code: "MCA_PROXY_OVERLOADED", reason: "upstream-limit" }
    : { status: 503, code: "MCA_PROXY_UPSTREAM_UNAVAILABLE", reason: "connect-failed" };
}

export function refusalOf({ cause }: UpstreamFailure): HttpRefusal {
  switch (cause.kind) {
    case "malformed":
      return cause.refusal;
    case "timeout":
      return { status: 504, code: "MCA_PROXY_UPSTREAM_TIMEOUT", reason: `${cause.deadline}-timeout` };
    case "peer-gone":
      return { status: 503, code: "MCA_PROXY_UPSTREAM_UNAVAILABLE", reason: "upstream-closed" };
    case "closed":
      return { status: 503, code: "MCA_PROXY_UPSTREAM_UNAVAILABLE", reason: "upstream-ended-by-us" };
  }
}
