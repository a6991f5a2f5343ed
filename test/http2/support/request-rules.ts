// What our server takes, or leaves to others, that node's refuses.
import { type ReadMessage, valuesOf } from "./reading.ts";
import { type AcceptedEnd, COMMON_ENDS, lengthIsWrong, type Rules } from "./rules.ts";

const ACCEPTED_ENDS: readonly AcceptedEnd[] = [
  ...COMMON_ENDS,
  {
    why: /^the client's GOAWAY/,
    because: "who opens no more streams still wants its answers (section 6.8); node closes",
  },
  { why: /GOAWAY: invalid last_stream_id/, because: "a server opens no streams, so that it says nothing" },
];

/** Why node refuses requests that the room tells: what a head means is judged behind it, by src/proxy-tls/http. */
const LEFT_TO_OTHERS: Readonly<Record<string, (request: ReadMessage) => boolean>> = {
  "content-length: server-exchange.ts counts": lengthIsWrong,
  "fields that trailers must not have: fields/screen-trailers.ts": ({ trailers }) =>
    trailers !== undefined && (trailers.includes("content-length") || trailers.includes("host")),
  ":method: a token (fields/method.ts)": (request) =>
    valuesOf(request, ":method").some((value) => !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(value)),
  ":scheme: that of the connection (h2/heads.ts)": (request) =>
    valuesOf(request, ":scheme").some((value) => !/^[A-Za-z][A-Za-z0-9+.-]*$/.test(value)),
  ":path: fields/path.ts": (request) => {
    const isAll = valuesOf(request, ":method")[0] === "OPTIONS";
    return valuesOf(request, ":path").some(
      (value) => !/^\/[\x21-\x7e\x80-\xff]*$/.test(value) && !(isAll && value === "*"),
    );
  },
  "the host: fields/host.ts": (request) => {
    const hosts = valuesOf(request, "host");
    const all = [...valuesOf(request, ":authority"), ...hosts];
    return (
      all.length === 0 || hosts.length > 1 || all.some((value) => !/^[A-Za-z0-9.:[\]_~!$&'()*+,;=%-]+$/.test(value))
    );
  },
};

export const REQUEST_RULES: Rules = { acceptedEnds: ACCEPTED_ENDS, leftToOthers: LEFT_TO_OTHERS };
