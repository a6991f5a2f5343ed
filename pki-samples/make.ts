// `node pki-samples/make.ts`: writes the samples. Keys and certificates that are there and right stay as they are.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { buildSamples } from "./build.ts";
import { certificatesOnDisk } from "./certify.ts";
import { makeMissingKeys, samplesFolder } from "./keys.ts";

makeMissingKeys();
const { files, samples } = buildSamples(certificatesOnDisk());
for (const folder of ["enterprise", "good", "broken"])
  rmSync(join(samplesFolder, folder), { recursive: true, force: true });
for (const { path, bytes } of files) {
  mkdirSync(dirname(join(samplesFolder, path)), { recursive: true });
  writeFileSync(join(samplesFolder, path), bytes);
}
process.stdout.write(`${samples.length} samples in ${files.length} files\n`);
