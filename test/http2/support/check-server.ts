// A client's stream read by our server, whole and split, with answers and without, and by node's.
import { cutFrames } from "./frames-of.ts";
import { Corpus, featureOf, readingFault, type Verdict } from "./http2-corpus.ts";
import { readWithNode } from "./node-server.ts";
import { type Manner, readWithOurs } from "./our-server.ts";
import { REQUEST_RULES } from "./request-rules.ts";
import { difference } from "./same-messages.ts";

export const clientCorpus = new Corpus("client");

export async function checkServer(stream: Buffer): Promise<Verdict> {
  const pieces = cutFrames(stream, clientCorpus.preface);
  const ours = readWithOurs(pieces, "silent");
  const theirs = await readWithNode(pieces);
  const fault =
    readingFault(stream, ours, inManner("silent")) ??
    readingFault(stream, readWithOurs(pieces, "echo"), inManner("echo")) ??
    difference(ours, theirs, pieces, REQUEST_RULES);
  const told = ours.messages.map(({ trailers }) =>
    trailers === undefined ? "cut" : trailers.length > 0 ? "trailers" : "whole",
  );
  return { fault, feature: featureOf(ours, told, theirs.end?.why.slice(0, 40), theirs.resets.size > 0) };
}

function inManner(manner: Manner): (pieces: readonly Buffer[]) => ReturnType<typeof readWithOurs> {
  return (pieces) => readWithOurs(pieces, manner);
}
