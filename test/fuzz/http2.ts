// A fuzz run of the HTTP/2 engine beside node's (nghttp2): streams of the kept corpus and new ones, with faults, for our server or our client.
//   node test/fuzz/http2.ts [--side server|client] [--seconds 60] [--seed N] [--keep]
// --keep adds streams that did something new to the corpus. A stream that shows a fault is made small, printed and always kept: npm test
// runs the corpus. Ends with 1 where a fault was found.
import { parseArgs } from "node:util";
import fc from "fast-check";
import { checkClient, serverCorpus } from "../http2/support/check-client.ts";
import { checkServer, clientCorpus } from "../http2/support/check-server.ts";
import { clientStream } from "../http2/support/client-streams.ts";
import { cutFrames } from "../http2/support/frames-of.ts";
import { serverStream } from "../http2/support/server-streams.ts";
import { damaged, streamFaults } from "../http2/support/stream-faults.ts";

/** What each side of ours is given, and how that is judged. */
const SIDES = {
  server: { fresh: clientStream, corpus: clientCorpus, check: checkServer },
  client: { fresh: serverStream, corpus: serverCorpus, check: checkClient },
};

const MAX_BYTES = 200_000;
const MAX_KEPT_BYTES = 400;
/** Longer ones would take too many tries to become so small. */
const MAX_SHRUNK_BYTES = 4_000;
/** npm test reads them all. */
const MAX_KEPT = 100;
/** Behind so many faults there is more to mend than to find. */
const MAX_FAULTS = 8;

const { values } = parseArgs({
  options: {
    side: { type: "string", default: "server" },
    seconds: { type: "string", default: "60" },
    seed: { type: "string" },
    keep: { type: "boolean" },
  },
});
if (values.side !== "server" && values.side !== "client") throw new Error("--side is server or client");
const { fresh: freshStream, corpus, check } = SIDES[values.side];
const endsAt = performance.now() + Number(values.seconds) * 1000;
let seed = values.seed === undefined ? Math.floor(performance.timeOrigin) % 2 ** 31 : Number(values.seed);
console.log(`Seed ${seed}.`);

let runs = 0;
let faults = 0;
const features = new Set<string>();
const pool = corpus.streams();
let inCorpus = pool.length;
for (const stream of pool) features.add(await judge(stream));
while (performance.now() < endsAt && faults < MAX_FAULTS) {
  seed = (seed + 1) % 2 ** 31;
  for (const [fresh, damage, pick, other] of fc.sample(fc.tuple(freshStream, streamFaults, fc.nat(), fc.nat()), {
    numRuns: 200,
    seed,
  })) {
    if (performance.now() > endsAt || faults >= MAX_FAULTS) break;
    // Half of them grow out of what is kept, with frames of another stream.
    const kept = pick % 2 === 0 ? pool[(pick >> 1) % Math.max(1, pool.length)] : undefined;
    const tail = pick % 3 === 0 ? fresh : (pool[other % Math.max(1, pool.length)] ?? fresh);
    const stream = damaged(kept ?? fresh, tail, damage, corpus.preface).subarray(0, MAX_BYTES);
    const feature = await judge(stream);
    if (features.has(feature)) continue;
    features.add(feature);
    if (values.keep === true && inCorpus < MAX_KEPT && stream.length <= MAX_SHRUNK_BYTES) {
      const small = await smaller(stream, 100, async (bytes) => (await check(bytes)).feature === feature);
      if (small.length > MAX_KEPT_BYTES) continue;
      corpus.keep(small);
      inCorpus += 1;
    }
    pool.push(stream);
  }
}
console.log(`${runs} streams, ${faults} faults, ${features.size} features.`);
process.exitCode = faults === 0 ? 0 : 1;

/** @returns the stream's feature; a fault is told and kept. */
async function judge(stream: Buffer): Promise<string> {
  runs++;
  const { fault, feature } = await check(stream);
  if (fault === undefined) return feature;
  faults++;
  const small = await smaller(
    stream,
    600,
    async (bytes) => (await check(bytes)).fault?.slice(0, 9) === fault.slice(0, 9),
  );
  console.log(`${fault}\n  ${corpus.lineOf(small).slice(0, 1000)}\n  ${(await check(small)).fault}`);
  corpus.keep(small);
  return feature;
}

/** Takes frames away, and then octets, large pieces first, for as long as `holds`; at most so many tries. */
async function smaller(stream: Buffer, tries: number, holds: (bytes: Buffer) => Promise<boolean>): Promise<Buffer> {
  let bytes = stream;
  let left = tries;
  for (let index = 1; index < cutFrames(bytes, corpus.preface).length && left > 0; left--) {
    const shorter = Buffer.concat(cutFrames(bytes, corpus.preface).toSpliced(index, 1));
    if (await holds(shorter)) bytes = shorter;
    else index += 1;
  }
  for (let size = bytes.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < bytes.length && left > 0; left--) {
      const shorter = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + size)]);
      if (shorter.length > 0 && (await holds(shorter))) bytes = shorter;
      else at += size;
    }
  }
  return bytes;
}
