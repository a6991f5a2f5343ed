// What our side of a connection judges otherwise than node's on purpose: the form of such rules, and those that both sides share.
import { ACK, DATA, type Frame, PING } from "../../proxy-tls/support/http2-frames.ts";
import { frameOf, resized } from "./frames-of.ts";
import { atReset, judgedAt, type OurReading, type Reading, type ReadMessage, valuesOf } from "./reading.ts";

type End = NonNullable<Reading["end"]>;

export interface AcceptedEnd {
  /** What node says. */
  readonly why: RegExp;
  readonly because: string;
  /** What else has to be so. @param frame that node ended at */
  readonly only?: (frame: Frame | undefined, end: End, ours: OurReading, rules: Rules) => boolean;
}

/** What is judged otherwise on purpose. */
export interface Rules {
  /** Why node ends a connection that ours goes on with, and why ours is right. */
  readonly acceptedEnds: readonly AcceptedEnd[];
  /** Why node refuses messages that the room tells: what a head means is judged behind it. */
  readonly leftToOthers: Readonly<Record<string, (message: ReadMessage) => boolean>>;
  /** Fields that node takes out of a head. @param index of the name */
  readonly leftOut?: (fields: readonly string[], index: number) => boolean;
}

/** Why node ends a connection that ours goes on with, and why ours is right. */
export const COMMON_ENDS: readonly AcceptedEnd[] = [
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
    because: "more DATA than content-length says is no fault of frames; nghttp2 ends all (see leftToOthers)",
    only: (frame, _end, ours, rules) =>
      frame?.type === DATA &&
      ours.messages.some((message) => message.stream === frame.stream && isLeftToOthers(rules, message)),
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

/** Ours has reset the frame's stream. */
export function isReset(frame: Frame | undefined, end: End, ours: OurReading): boolean {
  return frame !== undefined && frame.stream > 0 && atReset(ours, frame.stream) <= judgedAt(ours, end.at);
}

export function isAccepted(rules: Rules, end: End, ours: OurReading, pieces: readonly Buffer[]): boolean {
  const piece = pieces[end.at] ?? Buffer.alloc(0);
  // Of DATA the header is enough, for both.
  const frame = frameOf(piece) ?? frameOf(resized(piece));
  return rules.acceptedEnds.some(
    ({ why, only }) => why.test(end.why) && (only === undefined || only(frame, end, ours, rules)),
  );
}

export function isLeftToOthers(rules: Rules, message: ReadMessage): boolean {
  return Object.values(rules.leftToOthers).some((isWrong) => isWrong(message));
}

/** Its content-length is none, or another than its body's */
export function lengthIsWrong(message: ReadMessage): boolean {
  const [length, ...more] = valuesOf(message, "content-length");
  if (length === undefined) return false;
  if (more.length > 0 || !/^\d{1,18}$/.test(length)) return true;
  return message.trailers === undefined ? message.body.length > Number(length) : message.body.length !== Number(length);
}
