// What our client takes, or leaves to others, that node's refuses, and what it refuses that node's takes.
import { DATA } from "../../proxy-tls/support/http2-frames.ts";
import type { ReadMessage } from "./reading.ts";
import { type AcceptedEnd, COMMON_ENDS, isReset, lengthIsWrong, type Rules } from "./rules.ts";

const ALTSVC = 0xa;
const ORIGIN = 0xc;

const ACCEPTED_ENDS: readonly AcceptedEnd[] = [
  ...COMMON_ENDS,
  {
    why: /^the server's GOAWAY/,
    because: "what it reached may still be answered, whatever its code (section 6.8); node ends all",
  },
  {
    why: /^closed/,
    because: "behind a farewell node closes with its last stream; that is for our client's owner to do",
    only: (_frame, _end, ours) => ours.log.includes("goaway 0"),
  },
  {
    why: /GOAWAY: invalid last_stream_id/,
    because:
      "a last stream that is none, or larger than before, changes nothing: what was taken back is gone (section 6.8)",
  },
  {
    why: /^GOAWAY (1 DATA: stream not opened|2 )/,
    because: "DATA before a head makes one message malformed (section 8.1.1): ours resets its stream",
    only: (frame, end, ours) => frame?.type === DATA && isReset(frame, end, ours),
  },
  {
    why: /^GOAWAY [26] /,
    because:
      "ALTSVC (RFC 7838) and ORIGIN (RFC 8336) are none of ours: frames of unknown types are skipped (section 5.5)",
    only: (frame) => frame?.type === ALTSVC || frame?.type === ORIGIN,
  },
];

/** Why node refuses responses that the room tells: what a head means is judged behind it, by src/proxy-tls/http. */
const LEFT_TO_OTHERS: Readonly<Record<string, (response: ReadMessage) => boolean>> = {
  "content-length: client-exchange.ts counts": lengthIsWrong,
  "fields of interim heads: h2/heads.ts": ({ interims = [] }) => interims.some(interimIsLeft),
  ":status: h2/heads.ts": ({ fields }) => Number(fields[1]) < 100,
  "responses without a body: h2/heads.ts": ({ fields, body }) =>
    (fields[1] === "204" && fields.includes("content-length")) || (isBodiless(fields) && body !== ""),
};

export const RESPONSE_RULES: Rules = { acceptedEnds: ACCEPTED_ENDS, leftToOthers: LEFT_TO_OTHERS, leftOut };

/** RFC 9110 section 8.6. @param text an interim head, as ClientReading has it */
export function interimIsLeft(text: string): boolean {
  return text.includes('"content-length"');
}

/** RFC 9110 section 8.6: 204 has none; nghttp2 takes it out, and h2/heads.ts refuses the head. */
function leftOut(fields: readonly string[], index: number): boolean {
  return fields[1] === "204" && fields[index] === "content-length";
}

function isBodiless(fields: readonly string[]): boolean {
  return fields[1] === "204" || fields[1] === "304";
}

/** Why ours refuses a response, or ends the connection, where node goes on. */
export const STRICTER: readonly { readonly why: RegExp; readonly because: string }[] = [
  {
    why: /^1 PUSH_PROMISE/,
    because: "what refuses it went out before our requests (section 8.4); nghttp2 waits for its acknowledgement",
  },
  {
    why: /^field-(name|value)$/,
    because: "such a message is malformed (section 8.2.1); nghttp2 leaves the field out, and tells the rest",
  },
  {
    why: /^3 a first window beyond|^1 a wrong SETTINGS_/,
    because: "each value counts (section 6.5.3); nghttp2 looks at the last of a frame",
  },
  {
    why: /^5 HEADERS on a stream that has ended/,
    because: "nothing is under way on a stream that its server has ended (section 5.1); nghttp2 skips it",
  },
  {
    why: /^6 a frame of more than/,
    because: "every frame has a limit (section 4.2); nghttp2 does not look at CONTINUATION's length",
  },
  { why: /^1 PRIORITY on stream 0/, because: "section 6.3; nghttp2 as a client does not look at it" },
  {
    why: /^1 padding longer than its frame|^6 a padded frame without/,
    because: "section 6.1; nghttp2 does not look at it on a stream that has ended",
  },
  { why: /^DATA before a head/, because: "empty DATA is DATA (section 8.1); nghttp2 counts its bytes" },
  { why: /^9 a size update/, because: "two at most (RFC 7541 section 4.2); nghttp2 takes any number" },
  { why: /^te that is not trailers/, because: "section 8.2.2; nghttp2 looks at it in requests alone" },
];
