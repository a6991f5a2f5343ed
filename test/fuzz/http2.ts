// A fuzz run of the HTTP/2 engine beside node's (nghttp2): a client's streams of the kept corpus and new ones, with faults.
//   node test/fuzz/http2.ts [--seconds 60] [--seed N] [--keep]
// --keep adds streams that did something new to the corpus. A stream that shows a fault is made small, printed and always kept: npm test
// runs the corpus. Ends with 1 where a fault was found.
import { parseArgs } from "node:util";
import fc from "fast-check";
import { clientFaults, damaged } from "../http2/support/client-faults.ts";
import { clientStream } from "../http2/support/client-streams.ts";
import { cutFrames } from "../http2/support/frames-of.ts";
import { check, keep, keptStreams, lineOf } from "../http2/support/http2-corpus.ts";

const MAX_BYTES = 20_000;
const MAX_KEPT_BYTES = 400;
/** npm test reads them all. */
const MAX_KEPT = 100;
/** Behind so many faults there is more to mend than to find. */
const MAX_FAULTS = 8;

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "60" }, seed: { type: "string" }, keep: { type: "boolean" } },
});
const endsAt = performance.now() + Number(values.seconds) * 1000;
let seed = values.seed === undefined ? Math.floor(performance.timeOrigin) % 2 ** 31 : Number(values.seed);
console.log(`Seed ${seed}.`);

let runs = 0;
let faults = 0;
const features = new Set<string>();
const pool = keptStreams();
let inCorpus = pool.length;
for (const stream of pool) features.add(await judge(stream));
while (performance.now() < endsAt && faults < MAX_FAULTS) {
  seed = (seed + 1) % 2 ** 31;
  for (const [fresh, damage, pick, other] of fc.sample(fc.tuple(clientStream, clientFaults, fc.nat(), fc.nat()), {
    numRuns: 200,
    seed,
  })) {
    if (performance.now() > endsAt || faults >= MAX_FAULTS) break;
    // Half of them grow out of what is kept, with frames of another stream.
    const kept = pick % 2 === 0 ? pool[(pick >> 1) % Math.max(1, pool.length)] : undefined;
    const tail = pick % 3 === 0 ? fresh : (pool[other % Math.max(1, pool.length)] ?? fresh);
    const stream = damaged(kept ?? fresh, tail, damage).subarray(0, MAX_BYTES);
    const feature = await judge(stream);
    if (features.has(feature)) continue;
    features.add(feature);
    if (values.keep === true && inCorpus < MAX_KEPT) {
      const small = await smaller(stream, 100, async (bytes) => (await check(bytes)).feature === feature);
      if (small.length > MAX_KEPT_BYTES) continue;
      keep(small);
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
    2_000,
    async (bytes) => (await check(bytes)).fault?.slice(0, 9) === fault.slice(0, 9),
  );
  console.log(`${fault}\n  ${lineOf(small).slice(0, 1000)}\n  ${(await check(small)).fault}`);
  keep(small);
  return feature;
}

/** Takes frames away, and then octets, large pieces first, for as long as `holds`; at most so many tries. */
async function smaller(stream: Buffer, tries: number, holds: (bytes: Buffer) => Promise<boolean>): Promise<Buffer> {
  let bytes = stream;
  let left = tries;
  for (let index = 1; index < cutFrames(bytes).length && left > 0; left--) {
    const shorter = Buffer.concat(cutFrames(bytes).toSpliced(index, 1));
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
