// Nothing committed may name the machine it was written on, or the host of a package registry, or be a private key; but for the public
// sample keys of pki-samples.
import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { Check, CheckResult } from "../lib/check.ts";
import { capture, projectRoot } from "../lib/command.ts";
import { readProjectFile } from "../lib/files.ts";

// Written so that this file does not match itself.
const MACHINE_PATH = /(^|[^A-Za-z0-9._/-])\/(home\/[a-z]{2,}|Users\/[A-Za-z]|roo[t]\/|wor[k]\/|far[m]\/|tmp\/tea[m])/;
const REGISTRY_HOST =
  /\b(registry\.(npmj[s]|yarnpk[g])\.|npm\.pkg\.githu[b]|proxy\.golan[g]\.|repo\d?\.mave[n]\.|index\.crate[s]\.|pypi\.or[g]|_authToke[n])/;
const DOWNLOADED_FROM = /"resolved":\s*"[a-z+]+:\/\//;
const BINARY = /\.(binpb|png|jpg|ico|der|cer|p7b|p12|gz|zip)$/;

/** A line of its own: tests that write about such lines in quotes hold no key. */
const PRIVATE_KEY = /^-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----\s*$/;
const SAMPLE_KEYS = "pki-samples/";

/** What is wrong with one line of a file, or undefined. `path` is relative to the project. */
export function leakOf(line: string, path: string): string | undefined {
  if (PRIVATE_KEY.test(line) && !path.startsWith(SAMPLE_KEYS)) return "is a private key";
  if (MACHINE_PATH.test(line)) return "names a path of one machine";
  if (REGISTRY_HOST.test(line) || DOWNLOADED_FROM.test(line)) return "names a package registry";
  return undefined;
}

/** Whether a path of the project is a symbolic link. */
export function isLink(path: string): boolean {
  return lstatSync(join(projectRoot, path), { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

export const leaksCheck: Check = {
  name: "no machine path, no registry host, no private key",
  async run(): Promise<CheckResult> {
    const listed = await capture("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    if (listed.code !== 0)
      return { kind: "skipped", reason: "this is no git checkout, so nothing says which files are committed" };
    const findings: string[] = [];
    for (const path of listed.output.split("\0").filter((name) => name !== "" && !BINARY.test(name))) {
      if (isLink(path)) {
        findings.push(`${path}: is a link, which leads somewhere else on every machine`);
        continue;
      }
      let text: string;
      try {
        text = readProjectFile(path);
      } catch {
        continue; // deleted in the work tree, not yet in the index
      }
      text.split("\n").forEach((line, index) => {
        const leak = leakOf(line, path);
        if (leak !== undefined) findings.push(`${path}:${index + 1}: ${leak}`);
      });
    }
    return findings.length === 0 ? { kind: "passed" } : { kind: "failed", report: findings.join("\n") };
  },
};
