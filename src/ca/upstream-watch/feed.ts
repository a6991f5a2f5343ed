// One address and what is known from it: a CRL about every watched certificate that names it, or an OCSP responder about one. Asks when
// it is due, less often while it fails and where answers are large, and keeps the newest verified answer's verdict.
// What it must never do: believe anything before its signature holds, or forget a revocation because an answer fails.
import { type Clock, formatTime, type RandomSource } from "../../runtime/index.ts";
import { type Certificate, createOcspRequest, type DistributionPoint, X509Error } from "../../x509/index.ts";
import { type Judged, judgeCrl, judgeOcsp, MAX_CRL_BYTES, MAX_OCSP_BYTES } from "./judge.ts";
import type { RevocationAnswer, RevocationFetch, SourceKind } from "./types.ts";
import { ageOf, endOf, type Marks, type Verdict, weigh } from "./verdict.ts";

export interface FeedDependencies {
  readonly fetch: RevocationFetch;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly intervalSeconds: number;
  readonly signal: AbortSignal;
  /** Called for each change of a state. */
  readonly changed: (feed: Feed, subject: Subject) => void;
}

/** A certificate that is asked about. */
export interface Subject extends Verdict {
  readonly certificate: Certificate;
  readonly point: DistributionPoint | undefined;
  /** Unix milliseconds. */
  readonly since: number;
}

const NONCE_BYTES = 32;
const MAX_BACKOFF_MS = 900_000;
/** Large answers are asked for less often: on average no more than this comes from one address. */
const MAX_BYTES_PER_MS = 64;

export class Feed {
  readonly kind: SourceKind;
  readonly url: string;
  readonly #issuer: Certificate;
  readonly #anchor: Certificate;
  readonly #dependencies: FeedDependencies;
  readonly #subjects = new Map<string, Subject>();
  #validator: string | undefined;
  #newest: Marks | undefined;
  #failures = 0;
  #dueAt = 0;
  #waitMs = 0;

  constructor(
    address: {
      readonly kind: SourceKind;
      readonly url: string;
      readonly issuer: Certificate;
      readonly anchor: Certificate;
    },
    dependencies: FeedDependencies,
  ) {
    this.kind = address.kind;
    this.url = address.url;
    this.#issuer = address.issuer;
    this.#anchor = address.anchor;
    this.#dependencies = dependencies;
  }

  get subjects(): readonly Subject[] {
    return [...this.#subjects.values()];
  }

  /** Says which certificates it is about; what is known of the others is forgotten. */
  follow(asked: readonly { readonly certificate: Certificate; readonly point: DistributionPoint | undefined }[]): void {
    const wanted = new Set(asked.map(({ certificate }) => certificate.sha256));
    for (const sha256 of this.#subjects.keys()) if (!wanted.has(sha256)) this.#subjects.delete(sha256);
    for (const { certificate, point } of asked) {
      if (this.#subjects.has(certificate.sha256)) continue;
      const since = this.#dependencies.clock.now();
      this.#subjects.set(certificate.sha256, {
        certificate,
        point,
        state: "unchecked",
        since,
        sentence: "It has not been asked yet.",
      });
      // The document in hand was never searched for this one.
      this.#validator = undefined;
      this.#dueAt = 0;
    }
  }

  /** Whether to ask now. A wait longer than it was meant to be is a clock that was set back. */
  isDue(now: number): boolean {
    return now >= this.#dueAt || this.#dueAt - now > this.#waitMs;
  }

  /** Asks. @throws only for a bug; it is asked again later all the same */
  async ask(): Promise<void> {
    const { signal } = this.#dependencies;
    try {
      await this.#ask();
    } catch (error) {
      if (signal.aborted) return;
      this.#fail("unreachable", "An internal error; the server's log tells more. Issuance goes on.");
      throw error;
    }
  }

  async #ask(): Promise<void> {
    const { fetch, random, signal } = this.#dependencies;
    const nonce = this.kind === "ocsp" ? random.bytes(NONCE_BYTES) : undefined;
    const [subject] = this.subjects;
    const body =
      nonce === undefined || subject === undefined
        ? undefined
        : createOcspRequest({ certificate: subject.certificate, issuer: this.#issuer, nonce });
    const answer = await fetch(this.url, {
      kind: this.kind,
      maxBytes: this.kind === "crl" ? MAX_CRL_BYTES : MAX_OCSP_BYTES,
      anchor: this.#anchor,
      signal,
      ...(body === undefined ? {} : { body }),
      ...(this.#validator === undefined ? {} : { validator: this.#validator }),
    });
    signal.throwIfAborted();
    await this.#take(answer, nonce ?? new Uint8Array(0));
  }

  async #take(answer: RevocationAnswer, nonce: Uint8Array): Promise<void> {
    const now = this.#dependencies.clock.now();
    switch (answer.kind) {
      case "failed":
        this.#fail("unreachable", `The address ${answer.why}. ${this.#remaining(now)}`);
        return;
      case "unchanged":
        this.#failures = 0;
        this.#expire(now);
        this.#schedule(now, 0);
        return;
      case "answer":
        try {
          this.#weigh(await this.#judge(answer.bytes, nonce, now), now);
          this.#validator = answer.validator;
          this.#failures = 0;
          this.#schedule(now, answer.bytes.length);
        } catch (error) {
          if (!(error instanceof X509Error)) throw error;
          this.#fail("unusable", `${error.message} ${this.#remaining(now)}`, answer.bytes.length);
        }
    }
  }

  async #judge(bytes: Uint8Array, nonce: Uint8Array, now: number): Promise<Judged> {
    const { subjects } = this;
    const issuer = this.#issuer;
    const [first] = subjects;
    if (this.kind === "ocsp" && first !== undefined) {
      return judgeOcsp(bytes, { certificate: first.certificate, issuer, nonce, now });
    }
    const asked = subjects.flatMap(({ certificate, point }) => (point === undefined ? [] : [{ certificate, point }]));
    return judgeCrl(bytes, issuer, asked, this.#dependencies.signal);
  }

  #weigh({ marks, findings }: Judged, now: number): void {
    const age = ageOf(marks, this.#newest, now);
    const newest = this.#newest;
    const what = this.kind === "crl" ? "CRL" : "OCSP response";
    const { subjects } = this;
    for (const [i, finding] of findings.entries()) {
      const subject = subjects[i];
      if (subject === undefined) continue;
      // Caches before OCSP responders give answers of different ages; that the newest one counts is no news there.
      if (this.kind === "ocsp" && age === "replayed" && finding.kind === "good" && subject.state === "good") continue;
      this.#set(subject, weigh(what, finding, marks, age, newest));
    }
    // What answers for none of them (a delta CRL, another partition) says nothing about the age of what does.
    if (age === "current" && findings.some(({ kind }) => kind !== "unusable")) this.#newest = marks;
  }

  #fail(state: "unreachable" | "unusable", sentence: string, bytes = 0): void {
    this.#failures++;
    this.#validator = undefined;
    for (const subject of this.subjects) this.#set(subject, { state, sentence });
    this.#schedule(this.#dependencies.clock.now(), bytes);
  }

  /** A good answer that nobody replaced does not stay good. */
  #expire(now: number): void {
    const newest = this.#newest;
    if (newest === undefined || endOf(newest) >= now) return;
    const what = this.kind === "crl" ? "CRL" : "OCSP response";
    for (const subject of this.subjects) {
      if (subject.state === "good") this.#set(subject, weigh(what, { kind: "good" }, newest, "expired", undefined));
    }
  }

  /** What the last verified answer is still worth. */
  #remaining(now: number): string {
    const newest = this.#newest;
    if (newest === undefined) return "Nothing is known of revocations from here; issuance goes on.";
    return endOf(newest) >= now
      ? `The last answer, of ${formatTime(newest.thisUpdate)}, still counts; issuance goes on.`
      : `The last answer, of ${formatTime(newest.thisUpdate)}, is too old to count; issuance goes on.`;
  }

  #set(subject: Subject, verdict: Verdict): void {
    // Whoever can spoil an answer must not be able to undo a revocation.
    if (subject.state === "revoked" && verdict.state !== "revoked" && verdict.state !== "good") return;
    const changed = subject.state !== verdict.state;
    const since = changed ? this.#dependencies.clock.now() : subject.since;
    const { certificate, point } = subject;
    const next: Subject = { certificate, point, since, ...verdict };
    // It may have been forgotten meanwhile.
    if (this.#subjects.get(certificate.sha256) !== subject) return;
    this.#subjects.set(certificate.sha256, next);
    if (changed) this.#dependencies.changed(this, next);
  }

  #schedule(now: number, bytes: number): void {
    const { intervalSeconds, random } = this.#dependencies;
    const intervalMs = intervalSeconds * 1000;
    const backoff = Math.min(intervalMs * 2 ** Math.min(this.#failures, 20), Math.max(intervalMs, MAX_BACKOFF_MS));
    // 80 to 95 %: never later than the interval, and not all at once.
    const [octet = 0] = random.bytes(1);
    let waitMs = backoff * (0.8 + (0.15 * octet) / 255);
    const end = this.#newest?.nextUpdate;
    // A new answer is to be expected at nextUpdate, which may come before the interval is over.
    if (this.#failures === 0 && end !== undefined && end > now) waitMs = Math.min(waitMs, end - now + intervalMs / 10);
    this.#waitMs = Math.max(waitMs, bytes / MAX_BYTES_PER_MS);
    this.#dueAt = now + this.#waitMs;
  }
}
