// Whether our side and node's read a peer's bytes as the same messages. Ours may refuse what node takes. What ours tells, node must tell in the
// same words; where node refuses a stream or ends the connection, ours must do so no later, but for what the rules of that side say.
import { RST_STREAM } from "../../proxy-tls/support/http2-frames.ts";
import { frameOf } from "./frames-of.ts";
import { atEnd, atReset, judgedAt, type OurReading, type Reading, type ReadMessage } from "./reading.ts";
import { isAccepted, isLeftToOthers, type Rules } from "./rules.ts";

/** @returns what is wrong; undefined: nothing */
export function difference(
  ours: OurReading,
  theirs: Reading,
  pieces: readonly Buffer[],
  rules: Rules,
): string | undefined {
  const { end } = theirs;
  if (end !== undefined && judgedAt(ours, end.at) < atEnd(ours) && !isAccepted(rules, end, ours, pieces)) {
    return `node ends at piece ${end.at} (${end.why}), and we go on`;
  }
  for (const message of ours.messages) {
    const wrong = ourFault(message, ours, theirs, pieces, rules);
    if (wrong !== undefined) return `stream ${message.stream}: ${wrong}`;
  }
  for (const message of theirs.messages) {
    const { stream, at } = message;
    const isTold = ours.messages.some((one) => one.stream === stream);
    if (!isTold && at < atEnd(ours) && atReset(ours, stream) > at) return `stream ${stream}: node alone tells it`;
  }
  return undefined;
}

function wasCutOff(stream: number, pieces: readonly Buffer[]): boolean {
  return pieces.map(frameOf).some((frame) => frame?.type === RST_STREAM && frame.stream === stream);
}

/** What is wrong with a message that ours told. */
function ourFault(
  message: ReadMessage,
  ours: OurReading,
  theirs: Reading,
  pieces: readonly Buffer[],
  rules: Rules,
): string | undefined {
  const { stream } = message;
  const other = theirs.messages.find((one) => one.stream === stream);
  const isLeft = isLeftToOthers(rules, message);
  /** From here on ours, or node, says nothing of this stream. */
  const ourStop = Math.min(atEnd(ours), atReset(ours, stream));
  const theirStop = Math.min(atEnd(theirs), atReset(theirs, stream));
  if (judgedAt(ours, atReset(theirs, stream)) < ourStop && atReset(theirs, stream) < atEnd(theirs) && !isLeft) {
    return `node resets it at piece ${atReset(theirs, stream)}, and we go on`;
  }
  if (other === undefined) return isLeft || theirStop <= message.at ? undefined : "node does not tell it";
  const fields = message.fields.filter((_, index, all) => rules.leftOut?.(all, index & ~1) !== true);
  if (!isSame(fields, other.fields)) return `fields ${JSON.stringify([fields, other.fields])}`;
  // Whoever said nothing more has the beginning of what the other has.
  const [shorter, longer] = ourStop < theirStop ? [message, other] : [other, message];
  const isStopped = ourStop !== theirStop;
  if (isStopped ? !longer.body.startsWith(shorter.body) : message.body !== other.body) {
    return `bodies ${JSON.stringify([message.body, other.body])}`;
  }
  if (message.trailers === undefined || other.trailers === undefined) {
    const whole = message.trailers === undefined ? other : message;
    if (whole.trailers === undefined || (isStopped && shorter !== whole)) return undefined;
    // node tells an end where the peer has cut the stream off with NO_ERROR. Ours never does.
    if (whole === other && wasCutOff(stream, pieces)) return undefined;
    return `its end is told by ${whole === message ? "us" : "node"} alone`;
  }
  if (message.body !== other.body) return `whole bodies ${JSON.stringify([message.body, other.body])}`;
  if (isSame(message.trailers, other.trailers)) return undefined;
  return `trailers ${JSON.stringify([message.trailers, other.trailers])}`;
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((text, index) => text === right[index]);
}
