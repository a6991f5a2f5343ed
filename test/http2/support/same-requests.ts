// Whether our server and node's read a client's bytes as the same requests. Ours may refuse what node takes. What ours tells, node must tell in the
// same words; where node refuses a stream or ends the connection, ours must do so no later, but for what the two tables here say.
import { ACK, DATA, type Frame, PING, RST_STREAM } from "../../proxy-tls/support/http2-frames.ts";
import { frameOf, resized } from "./frames-of.ts";
import type { OurReading } from "./our-server.ts";
import type { Reading, ReadRequest } from "./reading.ts";

type End = NonNullable<Reading["end"]>;

interface AcceptedEnd {
  /** What node says. */
  readonly why: RegExp;
  readonly because: string;
  /** What else has to be so. @param frame that node ended at */
  readonly only?: (frame: Frame | undefined, end: End, ours: OurReading) => boolean;
}

/** Why node ends a connection that ours goes on with, and why ours is right. */
const ACCEPTED_ENDS: readonly AcceptedEnd[] = [
  {
    why: /^the client's GOAWAY/,
    because: "who opens no more streams still wants its answers (section 6.8); node closes",
  },
  { why: /GOAWAY: invalid last_stream_id/, because: "a server opens no streams, so that it says nothing" },
  { why: /depend on itself/, because: "priorities are no more (section 5.3.2)" },
  {
    why: /SETTINGS_NO_RFC7540_PRIORITIES/,
    because: "so is the setting that says so, whatever its value (RFC 9218 is not ours)",
  },
  { why: /SETTINGS_ENABLE_CONNECT_PROTOCOL/, because: "nor is extended CONNECT (RFC 8441)" },
  {
    why: /too many setting entries/,
    because: "settings are counted by their frames, which are small (flood-budget.ts)",
  },
  {
    why: /SETTINGS: unexpected ACK/,
    because: "an answer that nobody waits for is counted (flood-budget.ts), and no fault",
  },
  {
    why: /^GOAWAY 2 /,
    because: "an answer to a PING that nobody sent is no fault (section 6.7); node takes it for one of its own",
    only: (frame) => frame?.type === PING && (frame.flags & ACK) !== 0,
  },
  {
    why: /^GOAWAY 2 /,
    because: "more DATA than content-length says is no fault of frames; nghttp2 ends all (see LEFT_TO_OTHERS)",
    only: (frame, _end, ours) =>
      frame?.type === DATA &&
      ours.requests.some((request) => request.stream === frame.stream && isLeftToOthers(request)),
  },
  {
    why: /^GOAWAY 5 /,
    because: "a frame behind END_STREAM is a fault of its stream (section 5.1): ours resets that",
    only: isReset,
  },
  {
    why: /^GOAWAY [13] WINDOW_UPDATE: window/,
    because: "so is what a stream's window is raised by, nothing or too much (section 6.9)",
    only: isReset,
  },
];

function isReset(frame: Frame | undefined, end: End, ours: OurReading): boolean {
  return frame !== undefined && frame.stream > 0 && atReset(ours, frame.stream) <= judgedAt(ours, end.at);
}

function isAccepted(end: End, ours: OurReading, pieces: readonly Buffer[]): boolean {
  const piece = pieces[end.at] ?? Buffer.alloc(0);
  // Of DATA the header is enough, for both.
  const frame = frameOf(piece) ?? frameOf(resized(piece));
  return ACCEPTED_ENDS.some(({ why, only }) => why.test(end.why) && (only === undefined || only(frame, end, ours)));
}

/** Why node refuses requests that the room tells: what a head means is judged behind it, by src/proxy-tls/http. */
const LEFT_TO_OTHERS: Readonly<Record<string, (request: ReadRequest) => boolean>> = {
  "content-length: server-exchange.ts counts": (request) => {
    const [length, ...more] = valuesOf(request, "content-length");
    if (length === undefined) return false;
    if (more.length > 0 || !/^\d{1,18}$/.test(length)) return true;
    return request.trailers === undefined
      ? request.body.length > Number(length)
      : request.body.length !== Number(length);
  },
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

/** @returns what is wrong; undefined: nothing */
export function requestDifference(ours: OurReading, theirs: Reading, pieces: readonly Buffer[]): string | undefined {
  const { end } = theirs;
  if (end !== undefined && judgedAt(ours, end.at) < atEnd(ours) && !isAccepted(end, ours, pieces)) {
    return `node ends at piece ${end.at} (${end.why}), and we go on`;
  }
  for (const request of ours.requests) {
    const wrong = ourFault(request, ours, theirs, pieces);
    if (wrong !== undefined) return `stream ${request.stream}: ${wrong}`;
  }
  for (const request of theirs.requests) {
    const { stream, at } = request;
    const isTold = ours.requests.some((one) => one.stream === stream);
    if (!isTold && at < atEnd(ours) && atReset(ours, stream) > at) return `stream ${stream}: node alone tells it`;
  }
  return undefined;
}

function wasCutOff(stream: number, pieces: readonly Buffer[]): boolean {
  return pieces.map(frameOf).some((frame) => frame?.type === RST_STREAM && frame.stream === stream);
}

function isLeftToOthers(request: ReadRequest): boolean {
  return Object.values(LEFT_TO_OTHERS).some((isWrong) => isWrong(request));
}

/** What is wrong with a request that ours told. */
function ourFault(
  request: ReadRequest,
  ours: OurReading,
  theirs: Reading,
  pieces: readonly Buffer[],
): string | undefined {
  const { stream } = request;
  const other = theirs.requests.find((one) => one.stream === stream);
  const isLeft = isLeftToOthers(request);
  /** From here on ours, or node, says nothing of this stream. */
  const ourStop = Math.min(atEnd(ours), atReset(ours, stream));
  const theirStop = Math.min(atEnd(theirs), atReset(theirs, stream));
  if (judgedAt(ours, atReset(theirs, stream)) < ourStop && atReset(theirs, stream) < atEnd(theirs) && !isLeft) {
    return `node resets it at piece ${atReset(theirs, stream)}, and we go on`;
  }
  if (other === undefined) return isLeft || theirStop <= request.at ? undefined : "node does not tell it";
  if (!isSame(request.fields, other.fields)) return `fields ${JSON.stringify([request.fields, other.fields])}`;
  // Whoever said nothing more has the beginning of what the other has.
  const [shorter, longer] = ourStop < theirStop ? [request, other] : [other, request];
  const isStopped = ourStop !== theirStop;
  if (isStopped ? !longer.body.startsWith(shorter.body) : request.body !== other.body) {
    return `bodies ${JSON.stringify([request.body, other.body])}`;
  }
  if (request.trailers === undefined || other.trailers === undefined) {
    const whole = request.trailers === undefined ? other : request;
    if (whole.trailers === undefined || (isStopped && shorter !== whole)) return undefined;
    // node tells an end where the client has cut the stream off with NO_ERROR. Ours never does.
    if (whole === other && wasCutOff(stream, pieces)) return undefined;
    return `its end is told by ${whole === request ? "us" : "node"} alone`;
  }
  if (request.body !== other.body) return `whole bodies ${JSON.stringify([request.body, other.body])}`;
  if (isSame(request.trailers, other.trailers)) return undefined;
  return `trailers ${JSON.stringify([request.trailers, other.trailers])}`;
}

/** When ours has looked at a piece; never: infinite. */
function judgedAt(ours: OurReading, piece: number): number {
  return ours.judgedAt[piece] ?? Number.POSITIVE_INFINITY;
}

function atEnd(reading: Reading): number {
  return reading.end?.at ?? Number.POSITIVE_INFINITY;
}

function atReset(reading: Reading, stream: number): number {
  return reading.resets.get(stream) ?? Number.POSITIVE_INFINITY;
}

function valuesOf({ fields }: ReadRequest, name: string): string[] {
  return fields.filter((_, index) => index % 2 === 1 && fields[index - 1] === name);
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((text, index) => text === right[index]);
}
