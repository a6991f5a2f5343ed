// The kept corpus of the HTTP/1.1 codec: streams of which each once did something that no other did, or showed a fault. One JSON string
// a line, so that every octet can be seen. `node test/fuzz/http1.ts --keep` adds to it.
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { NodeReading, RequestReader, ResponseReader } from "./node-http.ts";
import { type Parsed, parseRequests, parseResponses } from "./parsed-streams.ts";
import { requestDifference, responseDifference } from "./same-reading.ts";

const folder = join(import.meta.dirname, "../http/h1/corpus");

export interface Corpus {
  /** A file of the corpus: `requests` or `responses-GET` and the like. */
  readonly name: string;
  readonly streams: readonly string[];
  /** Reads a stream with our codec, whole and split, and with node. */
  check(stream: string): Promise<Verdict>;
}

export interface Verdict {
  /** What is wrong; undefined: nothing. */
  readonly fault: string | undefined;
  /** What is particular about the stream, in few words. */
  readonly feature: string;
}

/** The kept streams of one file. */
export function keptStreams(name: string): string[] {
  const lines = readFileSync(join(folder, `${name}.txt`), "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => String(JSON.parse(line)));
}

export function keep(name: string, stream: string): void {
  // Latin1 beyond ASCII is written as escapes, as is DEL.
  const line = JSON.stringify(stream).replace(/[\x7f-\uffff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  appendFileSync(join(folder, `${name}.txt`), `${line}\n`);
}

function featureOf(parsed: Parsed<{ readonly framing: { readonly kind: string }; readonly version: string }>): string {
  const kinds = parsed.messages.map(({ head, trailers }) => {
    const end = trailers === undefined ? "cut" : trailers.length > 0 ? "trailers" : "";
    return `${head.version}${head.framing.kind}${end}`;
  });
  const counts = `${Math.min(parsed.messages.length, 3)} ${Math.min(parsed.interim.length, 2)}`;
  return `${[...new Set(kinds)].sort().join(" ")} ${counts} ${parsed.refusal?.reason}`;
}

/** The kept streams, and what is expected of each stream, kept or new. */
export function corpora(requests: RequestReader, responses: ResponseReader): readonly Corpus[] {
  const verdict = (difference: string | undefined, feature: string, same: boolean, theirs: NodeReading): Verdict => ({
    fault: same ? difference : "another split gives other events",
    feature: `${feature} ${theirs.error} ${theirs.messages.length}`,
  });
  const ofResponses = (method: string): Corpus => ({
    name: `responses-${method}`,
    streams: keptStreams(`responses-${method}`),
    async check(stream) {
      const options = { methods: [method], untilClose: "allow", end: true } as const;
      const ours = parseResponses(stream, options);
      const same = [[1], [2, 3, 5, 100]].every((sizes) => isSame(ours, parseResponses(stream, { ...options, sizes })));
      const theirs = await responses.read(stream, method);
      return verdict(responseDifference(ours, theirs), featureOf(ours), same, theirs);
    },
  });
  return [
    {
      name: "requests",
      streams: keptStreams("requests"),
      async check(stream) {
        const options = { allowHttp10: true };
        const ours = parseRequests(stream, options);
        const same = [[1], [2, 3, 5, 100]].every((sizes) => isSame(ours, parseRequests(stream, { ...options, sizes })));
        const theirs = await requests.read(stream);
        return verdict(requestDifference(ours, theirs), featureOf(ours), same, theirs);
      },
    },
    ofResponses("GET"),
    ofResponses("HEAD"),
  ];
}

function isSame(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
