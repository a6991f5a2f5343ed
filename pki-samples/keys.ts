// The private keys of the samples: kept in pki-samples/keys, so that running make.ts again changes no certificate needlessly. They are
// public, and every file says so. Never trust a certificate of theirs outside of tests.
import { createPrivateKey, type KeyObject } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { freshKey, type TestKeyKind } from "../test/support/pki.ts";

/** Where the samples are. */
export const samplesFolder: string = import.meta.dirname;

export const WARNING =
  "A SAMPLE for tests. Its private keys are PUBLIC, in pki-samples/keys. Trust nothing in here, anywhere, for anything.";

/** Every key by name, with its kind. */
const KINDS = {
  "root-r1": "rsa-4096",
  "root-r2": "ec-p384",
  "root-stranger": "ec-p256",
  policy: "rsa-3072",
  "issuing-rsa": "rsa-3072",
  "issuing-ec": "ec-p256",
  "issuing-p384": "ec-p384",
  "issuing-rsa-1024": "rsa-1024",
  "issuing-a": "ec-p256",
  "issuing-b": "ec-p256",
  sibling: "ec-p256",
  mesh: "ec-p256",
  "mesh-other": "ec-p256",
  workload: "ec-p256",
} as const satisfies Readonly<Record<string, TestKeyKind>>;

export type SampleKey = keyof typeof KINDS;

function isSampleKey(name: string): name is SampleKey {
  return Object.hasOwn(KINDS, name);
}

const loaded = new Map<SampleKey, KeyObject>();

/** A key of the samples; made, with `make` alone, where its file is missing. */
export function sampleKey(name: SampleKey): KeyObject {
  let key = loaded.get(name);
  if (key === undefined) {
    key = createPrivateKey(readFileSync(keyPath(name)));
    loaded.set(name, key);
  }
  return key;
}

/** Makes the keys whose files are missing. */
export function makeMissingKeys(): void {
  for (const name of Object.keys(KINDS).filter(isSampleKey)) {
    const path = keyPath(name);
    if (existsSync(path)) continue;
    mkdirSync(dirname(path), { recursive: true });
    const pem = freshKey(KINDS[name]).export({ type: "pkcs8", format: "pem" }).toString();
    writeFileSync(path, `# ${WARNING}\n${pem}`);
  }
}

function keyPath(name: SampleKey): string {
  return join(samplesFolder, "keys", `${name}.key.pem`);
}
