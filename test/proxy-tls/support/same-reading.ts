// Whether our codec and node:http read a stream alike. Ours may refuse what node takes; what ours takes, node must take as the same
// messages: as many of them, with the same boundaries, start lines, fields, bodies and trailers.
import type { RawRequestHead, RawResponseHead } from "../../../src/proxy-tls/http/raw-head.ts";
import type { NodeReading, ReadMessage } from "./node-http.ts";
import type { Parsed } from "./parsed-streams.ts";

// Where node is stricter than a codec that leaves methods and targets to the screens.
const STRICTER = new Set(["HPE_INVALID_METHOD", "HPE_INVALID_URL"]);
/** Names among trailers that are the screens' business for us (they drop them), and for node a fault of the framing. */
const FRAMING = new Set(["content-length", "transfer-encoding"]);
const FRAMING_FAULTS = new Set(["HPE_INVALID_CONTENT_LENGTH", "HPE_INVALID_TRANSFER_ENCODING"]);

function isStricter({ error = "" }: NodeReading, trailers: readonly string[]): boolean {
  const framed = trailers.some((name, i) => i % 2 === 0 && FRAMING.has(name));
  return STRICTER.has(error) || (framed && FRAMING_FAULTS.has(error));
}

/** @returns how the two differ; undefined: they do not */
export function requestDifference(ours: Parsed<RawRequestHead>, theirs: NodeReading): string | undefined {
  const complete: ReadMessage[] = [];
  for (const { head, body, trailers } of ours.messages) {
    if (trailers === undefined) break;
    const { method, target, version, fields } = head;
    complete.push({ start: `${method} ${target}`, version, fields, body, trailers });
    // Node reads nothing behind these; for us that is the engine's business.
    if (method === "CONNECT" || version === "1.0" || leavesHttp(fields) || leavesHttp(trailers)) break;
  }
  const limit = complete.length;
  const stopped = ours.refusal !== undefined || limit < ours.messages.length;
  if (complete[limit - 1]?.start.startsWith("CONNECT ")) complete.pop();
  for (let i = 0; i < complete.length; i++) {
    const message = theirs.messages[i];
    if (message === undefined) {
      if (isStricter(theirs, complete[i]?.trailers ?? [])) return undefined;
      return `node read ${i} messages (${theirs.error}), we ${complete.length}`;
    }
    const difference = messageDifference(complete[i], message);
    if (difference !== undefined) return `message ${i}: ${difference}`;
  }
  if (!stopped && theirs.messages.length > limit) return `node read ${theirs.messages.length} messages, we ${limit}`;
  return undefined;
}

/** The same for the first response of a stream that ends with its connection. */
export function responseDifference(ours: Parsed<RawResponseHead>, theirs: NodeReading): string | undefined {
  const [message] = ours.messages;
  const interim = theirs.interim.filter((status) => status === 100 || status === 103);
  for (const [i, { status, fields }] of ours.interim.entries()) {
    if (interim[i] !== status) return `interim ${i}: node read ${interim[i]}, we ${status}`;
    // Node takes this for the end of the connection; the final response still has to come.
    if (leavesHttp(fields)) return undefined;
  }
  if (message?.trailers === undefined || ours.refusal !== undefined) return undefined;
  const { head, body, trailers } = message;
  const [read] = theirs.messages;
  if (read === undefined) return isStricter(theirs, trailers) ? undefined : `node read no message (${theirs.error})`;
  return messageDifference(
    { start: `${head.status}`, version: head.version, fields: head.fields, body, trailers },
    read,
  );
}

function messageDifference(ours: ReadMessage | undefined, theirs: ReadMessage): string | undefined {
  const [left, right] = [JSON.stringify(ours), JSON.stringify(theirs)];
  return left === right ? undefined : `we read ${left}, node ${right}`;
}

function leavesHttp(fields: readonly string[]): boolean {
  return fields.some((name, i) => i % 2 === 0 && name === "connection" && /close|upgrade/i.test(fields[i + 1] ?? ""));
}
