// Loads the foreign readers when there is something to check: they take 0.1 s of CPU and 24 MB, which an idle server does not carry.
// One library at a time and with a pause in between, because callers wait meanwhile and have to be caught up with.
import { setTimeout as sleep } from "node:timers/promises";

type Readers = typeof import("./readers.ts");

const PAUSE_MS = 100;

let readers: Promise<Readers> | undefined;

/** The readers; loaded once. */
export function loadReaders(): Promise<Readers> {
  readers ??= load();
  return readers;
}

async function load(): Promise<Readers> {
  await import("reflect-metadata");
  await import("@peculiar/webcrypto");
  await sleep(PAUSE_MS);
  await import("@peculiar/x509");
  await sleep(PAUSE_MS);
  return await import("./readers.ts");
}
