// A fuzz run of the HTTP/1.1 codec beside node's parser: streams of the kept corpus and new ones, with faults.
//   node test/fuzz/http1.ts [--seconds 60] [--seed N] [--keep]
// --keep adds streams that did something new to the corpus. A stream that shows a fault is made small, printed and always kept: npm test
// runs the corpus. Ends with 1 where a fault was found.
import { parseArgs } from "node:util";
import fc from "fast-check";
import { type Corpus, corpora, keep } from "../proxy-tls/support/http1-corpus.ts";
import { FAULTS, type Fault, requestStream, responseStream, withFaults } from "../proxy-tls/support/http1-streams.ts";
import { startRequestReader, startResponseReader } from "../proxy-tls/support/node-http.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "60" }, seed: { type: "string" }, keep: { type: "boolean" } },
});
const endsAt = performance.now() + Number(values.seconds) * 1000;
let seed = values.seed === undefined ? Math.floor(performance.timeOrigin) % 2 ** 31 : Number(values.seed);
console.log(`Seed ${seed}.`);

await using requests = await startRequestReader();
await using responses = await startResponseReader();
let runs = 0;
let faults = 0;

const faultsOf = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    drop: fc.constantFrom(0, 0, 0, 1, 2, 3, 10),
    insert: fc.oneof(
      fc.constantFrom("", ...FAULTS),
      fc.nat(255).map((octet) => String.fromCharCode(octet)),
    ),
  }),
  { minLength: 1, maxLength: 6 },
);

const all = corpora(requests, responses).map((corpus) => ({
  corpus,
  features: new Set<string>(),
  pool: [...corpus.streams],
  fresh: corpus.name === "requests" ? requestStream : responseStream,
}));
for (const { corpus, features, pool } of all) {
  for (const stream of pool) features.add(await judge(corpus, stream));
}
while (performance.now() < endsAt) {
  for (const { corpus, features, pool, fresh } of all) {
    seed = (seed + 1) % 2 ** 31;
    const samples = fc.sample(fc.tuple(fresh, faultsOf, fc.nat(), fc.nat()), { numRuns: 200, seed });
    for (const [good, damage, pick, other] of samples) {
      // Half of them grow out of what is kept, some of those out of two.
      const kept = pick % 2 === 0 ? pool[(pick >> 1) % Math.max(1, pool.length)] : undefined;
      const tail = pick % 7 === 0 ? (pool[other % Math.max(1, pool.length)] ?? "") : "";
      const stream = withFaults((kept ?? good) + tail, damage as Fault[]).slice(0, 70_000);
      const feature = await judge(corpus, stream);
      if (features.has(feature)) continue;
      features.add(feature);
      const small = await smaller(stream, 200, async (text) => (await corpus.check(text)).feature === feature);
      if (small.length > 1_000) continue;
      pool.push(small);
      if (values.keep === true) keep(corpus.name, small);
    }
  }
}
console.log(
  `${runs} streams, ${faults} faults; features: ${all.map(({ corpus, features }) => `${corpus.name} ${features.size}`).join(", ")}.`,
);
process.exitCode = faults === 0 ? 0 : 1;

/** @returns the stream's feature; a fault is told and kept. */
async function judge(corpus: Corpus, stream: string): Promise<string> {
  runs++;
  const { fault, feature } = await corpus.check(stream);
  if (fault === undefined) return feature;
  faults++;
  const small = await smaller(stream, 20_000, async (text) => (await corpus.check(text)).fault !== undefined);
  console.log(`${corpus.name}: ${fault}\n  ${JSON.stringify(small)}\n  ${(await corpus.check(small)).fault}`);
  keep(corpus.name, small);
  return feature;
}

/** Takes pieces away, large ones first, for as long as `holds`; at most so many tries. */
async function smaller(stream: string, tries: number, holds: (text: string) => Promise<boolean>): Promise<string> {
  let text = stream;
  let left = tries;
  for (let size = text.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < text.length && left > 0; left--) {
      const shorter = text.slice(0, at) + text.slice(at + size);
      if (shorter !== "" && (await holds(shorter))) text = shorter;
      else at += size;
    }
  }
  return text;
}
