// The options of a source with every default filled in, checked once.
import { type Logger, type RandomSource, silentLogger, systemRandom } from "../runtime/index.ts";
import { IdentityClientError } from "./errors.ts";
import { type EvidenceSource, evidenceSource } from "./evidence.ts";
import type { KeyAlgorithm, SvidSourceOptions } from "./options.ts";
import { type SchedulingClock, systemSchedulingClock } from "./scheduling-clock.ts";

export interface SourceSettings {
  readonly server: string | undefined;
  readonly evidence: EvidenceSource;
  readonly trustFile: string | undefined;
  readonly stateDir: string | undefined;
  readonly ttlSeconds: number;
  readonly keyAlgorithm: KeyAlgorithm;
  readonly startTimeoutMs: number;
  readonly onWaiting: (error: Error) => void;
  readonly callTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly clock: SchedulingClock;
  readonly random: RandomSource;
  readonly logger: Logger;
}

const KEY_ALGORITHMS: ReadonlySet<string> = new Set<KeyAlgorithm>([
  "ec-p256",
  "ec-p384",
  "ed25519",
  "rsa-2048",
  "rsa-3072",
]);
const ADDRESS = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):([0-9]{1,5})$/;

/** Checks the options. @throws IdentityClientError MCA_CLIENT_OPTIONS */
export function sourceSettings(options: SvidSourceOptions): SourceSettings {
  if (options.memoryOnly !== true && (options.stateDir === undefined || options.stateDir === "")) {
    throw wrong("Name a stateDir, or set memoryOnly: true if nothing is to be kept on disk.");
  }
  if (options.memoryOnly === true && options.stateDir !== undefined) {
    throw wrong("stateDir and memoryOnly contradict each other. Leave one out.");
  }
  const keyAlgorithm = options.keyAlgorithm ?? "ec-p256";
  if (!KEY_ALGORITHMS.has(keyAlgorithm)) {
    throw wrong(`keyAlgorithm must be one of ${[...KEY_ALGORITHMS].join(", ")}.`);
  }
  if (options.server !== undefined) checkAddress(options.server);
  return {
    server: options.server,
    evidence: evidenceSource(options),
    trustFile: options.trustFile,
    stateDir: options.stateDir,
    ttlSeconds: whole("ttlSeconds", options.ttlSeconds ?? 0, 0, 365 * 86_400),
    keyAlgorithm,
    startTimeoutMs: whole("startTimeoutMs", options.startTimeoutMs ?? 60_000, 0, 86_400_000),
    onWaiting: options.onWaiting ?? (() => {}),
    callTimeoutMs: whole("callTimeoutMs", options.callTimeoutMs ?? 15_000, 1, 600_000),
    signal: options.signal,
    clock: options.clock ?? systemSchedulingClock,
    random: options.random ?? systemRandom,
    logger: options.logger ?? silentLogger,
  };
}

/** @throws IdentityClientError MCA_CLIENT_OPTIONS unless the text is `host:port` */
export function checkAddress(address: string): void {
  const port = Number(ADDRESS.exec(address)?.[1]);
  if (!(port >= 1 && port <= 65_535)) {
    throw wrong(`The server's address is host:port, for example ca.example.test:8443, not "${address.slice(0, 300)}".`);
  }
}

function whole(name: string, value: number, least: number, most: number): number {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw wrong(`${name} is a whole number from ${least} to ${most}.`);
  }
  return value;
}

function wrong(sentence: string): IdentityClientError {
  return new IdentityClientError("MCA_CLIENT_OPTIONS", sentence);
}
