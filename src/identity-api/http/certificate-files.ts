// The HTTPS listener's certificate and key from two files that somebody else renews. Replaced files are taken up within seconds; a pair
// that cannot be used leaves the last good one in place and is told as an error. Two files are never replaced at one moment: a pair
// counts as bad only when it is still the same at the next look.
import { stat } from "node:fs/promises";
import { type Clock, formatTime, type Logger, MeshCaError } from "../../runtime/index.ts";
import type { CertificatePair, IdentitySource, TlsIdentity } from "../../tls/index.ts";
import { type PairFiles, readCertificatePair } from "./certificate-pair.ts";

export interface CertificateFilesOptions extends PairFiles {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often the files are looked at; default 5,000. */
  readonly lookMs?: number;
}

const LOOK_MS = 5_000;
/** The end is told this long before it, but never earlier than in the last third: some live for six days in all. */
const WARN_MS = 14 * 86_400_000;

export class CertificateFiles implements IdentitySource {
  readonly #options: CertificateFilesOptions;
  readonly #listeners = new Set<() => void>();
  #good: CertificatePair | undefined;
  #problem: string | undefined;
  /** What the files looked like when the last good pair was read. */
  #taken: string | undefined;
  /** What they looked like when they were found bad, and when that was told. */
  #suspected: string | undefined;
  #told: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #validBefore = false;

  constructor(options: CertificateFilesOptions) {
    this.#options = options;
  }

  /** Reads the files, and goes on looking at them. Files that cannot be used are told, not thrown. */
  async start(): Promise<void> {
    // At the start nobody is amid replacing them.
    this.#suspected = await this.#stamp();
    await this.look();
    this.#timer = setInterval(() => void this.look(), this.#options.lookMs ?? LOOK_MS);
    this.#timer.unref();
  }

  /** The last good pair; undefined where there was none, or it has ended. */
  current(): TlsIdentity | undefined {
    return this.#good !== undefined && this.#options.clock.now() < this.#good.identity.notAfter
      ? this.#good.identity
      : undefined;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What somebody should mend: files that cannot be used, an end that is near. For /readyz. */
  problems(): readonly string[] {
    const { certificateFile, clock } = this.#options;
    const problems = this.#problem === undefined ? [] : [this.#problem];
    if (this.#good === undefined) return problems;
    const { notBefore, notAfter } = this.#good.leaf;
    const end = formatTime(notAfter);
    const left = notAfter - clock.now();
    if (left <= 0)
      return [
        ...problems,
        `The certificate in ${certificateFile} ended at ${end}: the port is closed. Replace both files.`,
      ];
    if (left > Math.min(WARN_MS, (notAfter - notBefore) / 3)) return problems;
    return [
      ...problems,
      `The certificate in ${certificateFile} ends at ${end}. Replace both files; no restart is needed.`,
    ];
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#listeners.clear();
    await this.#looking;
  }

  /** Looks at the files now. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const stamp = await this.#stamp();
    if (stamp !== this.#taken) await this.#judge(stamp);
    const valid = this.current() !== undefined;
    if (valid !== this.#validBefore) this.#tell();
  }

  async #judge(stamp: string): Promise<void> {
    const { logger, certificateFile, clock } = this.#options;
    try {
      const good = await readCertificatePair(this.#options, clock.now());
      // Replaced while it was read: the next look finds the rest.
      if ((await this.#stamp()) !== stamp) return;
      this.#good = good;
      this.#problem = undefined;
      this.#taken = stamp;
      logger.info(
        { event: "https.certificate", certificateFile, sha256: good.leaf.sha256, notAfter: good.leaf.notAfter },
        "a certificate for the HTTPS listener was read from its file",
      );
      this.#tell();
    } catch (error) {
      if (this.#suspected === stamp) this.#refuse(stamp, error);
      this.#suspected = stamp;
    }
  }

  /** Says so once for each pair; it is still tried again, because what was wrong may have been the clock or a mount. */
  #refuse(stamp: string, error: unknown): void {
    const { logger, certificateFile } = this.#options;
    const kept = this.current();
    const sentence = error instanceof MeshCaError ? error.message : `An internal error: ${String(error)}`;
    const then =
      kept === undefined ? "The port is closed." : `The last good one stays until ${formatTime(kept.notAfter)}.`;
    this.#problem = `${sentence} ${then}`;
    if (this.#told === stamp) return;
    this.#told = stamp;
    logger.error({ event: "https.certificate_refused", certificateFile, error }, this.#problem);
  }

  #tell(): void {
    this.#validBefore = this.current() !== undefined;
    for (const listener of this.#listeners) listener();
  }

  async #stamp(): Promise<string> {
    const { certificateFile, keyFile } = this.#options;
    return `${await stampOf(certificateFile)} ${await stampOf(keyFile)}`;
  }
}

async function stampOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${dev}/${ino}/${size}/${mtimeNs}/${ctimeNs}`;
  } catch {
    return "missing";
  }
}
