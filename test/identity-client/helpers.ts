// What several tests of the SDK need: temporary directories, a trust set and an SVID from the test PKI, a clock by hand.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SchedulingClock } from "../../src/identity-client/index.ts";
import { Svid } from "../../src/identity-client/svid.ts";
import { SpiffeId, TrustDomain, type TrustSet } from "../../src/spiffe/index.ts";
import { encodePem } from "../../src/x509/index.ts";
import { createLeaf, createRoot, type TestCertificate } from "../support/pki.ts";
import { until } from "../support/until.ts";

export const trustDomain: TrustDomain = TrustDomain.parse("example.test");

const directories: string[] = [];
process.once("exit", () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** A private directory (0700) that goes away with the process, when nobody writes to it any more. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "mca-sdk-"));
  directories.push(directory);
  return directory;
}

/** A self-signed authority. */
export function createAuthority(subject = "Authority 1"): TestCertificate {
  return createRoot({ subject });
}

export function trustOf(authorities: readonly TestCertificate[], changes: Partial<TrustSet> = {}): TrustSet {
  const certificates = authorities.map(({ certificate }) => certificate);
  return {
    trustDomain,
    anchors: certificates,
    authorities: certificates,
    intermediates: [],
    distrustedSpkis: new Set(),
    revocations: [],
    sequence: 1n,
    revision: 1n,
    refreshHintSeconds: 300,
    ...changes,
  };
}

/** An SVID as the store keeps it. */
export function createSvid(authority: TestCertificate, path = "/cart", notAfter = Date.now() + 3_600_000): Svid {
  const id = SpiffeId.of(trustDomain, path);
  const leaf = createLeaf(authority, { spiffeId: id.toString(), notAfter });
  return new Svid(
    leaf.certificate,
    {
      id,
      chain: [leaf.certificate],
      chainPem: encodePem("CERTIFICATE", leaf.der),
      renewAt: Date.now() + 1_800_000,
      rule: "workloads",
      lineage: "3d7e6f9a-3f1e-4f5b-9d53-5b8f5f3c8a10",
      logIndex: 7n,
      shortenedBy: "",
    },
    leaf.keyPem,
  );
}

/** A clock that stands still until it is moved; callbacks run as it passes them. */
export class ManualClock implements SchedulingClock {
  #now: number;
  #waiting: { at: number; callback: () => void }[] = [];

  constructor(now: number = Date.now()) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  at(unixMs: number, callback: () => void): () => void {
    const entry = { at: unixMs, callback };
    this.#waiting.push(entry);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== entry);
    };
  }

  /** When the next callback is due, if any. */
  get next(): number | undefined {
    return this.#waiting.map(({ at }) => at).sort((a, b) => a - b)[0];
  }

  /** How many callbacks wait for their time. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Moves the clock, running what becomes due on the way, in order. */
  advance(milliseconds: number): void {
    const target = this.#now + milliseconds;
    for (;;) {
      const due = this.#waiting.filter(({ at }) => at <= target).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#waiting = this.#waiting.filter((other) => other !== due);
      this.#now = Math.max(this.#now, due.at);
      due.callback();
    }
    this.#now = target;
  }

  /** Sets the clock without running anything in between, as a corrected or broken system clock does. */
  jump(unixMs: number): void {
    this.#now = unixMs;
    this.advance(0);
  }
}

/** `until`, with what is waited for first. */
export function eventually(what: string, condition: () => boolean): Promise<void> {
  return until(condition, what);
}
