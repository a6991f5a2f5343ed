// A server's stream read by our client, whole and split, taking responses and busy with them, and by node's.
import type { Manner } from "./asker.ts";
import { ASKED, UPLOADING } from "./client-requests.ts";
import { cutFrames } from "./frames-of.ts";
import { Corpus, featureOf, readingFault, type Verdict } from "./http2-corpus.ts";
import { readWithNodeClient } from "./node-client.ts";
import { type OurClientReading, readWithOurClient } from "./our-client.ts";
import { atEnd, atReset, type ClientReading, interimsOf, judgedAt } from "./reading.ts";
import { interimIsLeft, RESPONSE_RULES, STRICTER } from "./response-rules.ts";
import { difference } from "./same-messages.ts";

export const serverCorpus = new Corpus("server");

export async function checkClient(stream: Buffer): Promise<Verdict> {
  const pieces = cutFrames(stream, serverCorpus.preface);
  const ours = readWithOurClient(pieces, "taking", true);
  const theirs = await readWithNodeClient(pieces);
  const fault =
    readingFault(stream, ours, inManner("taking")) ??
    readingFault(stream, readWithOurClient(pieces, "busy", true), inManner("busy")) ??
    difference(ours, theirs, pieces, RESPONSE_RULES) ??
    resetDifference(ours, theirs) ??
    failureDifference(ours, theirs) ??
    strictness(ours, theirs);
  const told = ours.messages.map(({ trailers }) =>
    trailers === undefined ? "cut" : trailers.length > 0 ? "trailers" : "whole",
  );
  const failed = [...new Set(ours.failed.values())].map((code) => `failed ${code > 13 ? "?" : code}`);
  const more = [ours.interims.length > 0, ours.uploaded > 65_535, theirs.end?.why.slice(0, 40), theirs.resets.size > 0];
  return { fault, feature: featureOf(ours, [...told, ...failed], ...more) };
}

function inManner(manner: Manner): (pieces: readonly Buffer[]) => OurClientReading {
  return (pieces) => readWithOurClient(pieces, manner, false);
}

/** Streams that node resets and ours neither resets nor tells. */
function resetDifference(ours: OurClientReading, theirs: ClientReading): string | undefined {
  for (const [stream, at] of theirs.resets) {
    const isTold = ours.messages.some((message) => message.stream === stream);
    const goesOn = Math.min(atEnd(ours), atReset(ours, stream)) > judgedAt(ours, at) && !ours.failed.has(stream);
    const isLeft = interimsOf(ours.interims, stream).some(interimIsLeft);
    if (!isTold && goesOn && !isLeft && stream % 2 === 1)
      return `stream ${stream}: node resets it at piece ${at}, and we go on`;
  }
  return undefined;
}

/** What is told beside messages, as far as neither has ended it. */
function failureDifference(ours: OurClientReading, theirs: ClientReading): string | undefined {
  if (ours.end !== undefined || theirs.end !== undefined) return undefined;
  for (const { stream } of ASKED) {
    if (ours.resets.has(stream) || theirs.resets.has(stream)) continue;
    const [our, their] = [ours.failed.get(stream), theirs.failed.get(stream)];
    // With NO_ERROR node ends quietly.
    if ((our ?? 0) !== (their ?? 0)) return `stream ${stream} failed by ${our}, node says ${their}`;
    const [first, second] = [ours, theirs].map(({ interims }) => interimsOf(interims, stream));
    if (first?.join() !== second?.join()) return `interim heads ${first} / ${second}`;
    if (stream === UPLOADING && ours.uploaded !== theirs.uploaded)
      return `${ours.uploaded} bytes are sent, ${theirs.uploaded} by node`;
  }
  return undefined;
}

/** Whether ours refuses what node takes, and no rule says why. */
function strictness(ours: OurClientReading, theirs: ClientReading): string | undefined {
  const isKnown = (reason: string): boolean => STRICTER.some(({ why }) => why.test(reason));
  // Behind a farewell nghttp2 stops reading with its last stream.
  const mayHaveStopped = ours.log.includes("goaway 0");
  if (ours.end !== undefined && ours.end.at < atEnd(theirs) && !mayHaveStopped && !isKnown(ours.end.why)) {
    return `we end at piece ${ours.end.at} (${ours.end.why}), and node goes on`;
  }
  for (const [stream, reason] of ours.reasons) {
    const at = atReset(ours, stream);
    if (at < Math.min(atEnd(theirs), atReset(theirs, stream)) && !isKnown(reason)) {
      return `stream ${stream}: we reset it at piece ${at} (${reason}), and node goes on`;
    }
  }
  return undefined;
}
