// An identity from a mesh-ca server, by the SDK: enrolled once, renewed before it expires, kept across restarts. While the server is away
// the last one is served to its last second.
import {
  IdentityClientError,
  type SchedulingClock,
  SvidSource,
  type SvidSourceOptions,
} from "../../identity-client/index.ts";
import type { Logger, RandomSource } from "../../runtime/index.ts";
import type { AdminFinding } from "../admin/view.ts";
import type { ProxyConfig } from "../config/schema.ts";
import { findingOf } from "../reload/watched-files.ts";
import { ExpiryWatch } from "./expiry-watch.ts";
import type { IdentityProvider, ProvidedIdentity } from "./provider.ts";

export interface MeshCaIdentityOptions {
  readonly config: Extract<ProxyConfig["identity"], { kind: "mesh-ca" }>;
  readonly clock: SchedulingClock;
  readonly random: RandomSource;
  readonly logger: Logger;
}

/** The longest that the SDK waits for a server by itself; we wait for ever, and ask it again. */
const START_TIMEOUT_MS = 86_400_000;

export class MeshCaIdentity implements IdentityProvider {
  readonly #options: MeshCaIdentityOptions;
  readonly #expiry: ExpiryWatch;
  readonly #listeners = new Set<() => void>();
  readonly #stop = new AbortController();
  #source: SvidSource | undefined;
  #waiting: AdminFinding | undefined;

  constructor(options: MeshCaIdentityOptions) {
    this.#options = options;
    this.#expiry = new ExpiryWatch(options.clock, () => this.#expired());
  }

  current(): ProvidedIdentity {
    const source = this.#source;
    if (source === undefined) return { own: undefined, trust: undefined };
    if (source.health().kind === "expired") return { own: undefined, trust: source.trust() };
    const svid = source.current();
    return { own: { id: svid.id.toString(), tls: svid.tlsIdentity }, trust: source.trust() };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const stop = (): void => this.#stop.abort();
    signal.addEventListener("abort", stop, { once: true });
    try {
      this.#source = await this.#begin();
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      // From now on work in flight is finished with what the server says of trust until then.
      signal.removeEventListener("abort", stop);
    }
    this.#source.onChange(() => this.#changed());
    this.#changed();
  }

  problems(): readonly AdminFinding[] {
    if (this.#source === undefined) return this.#waiting === undefined ? [] : [this.#waiting];
    const health = this.#source.health();
    if (health.kind === "fresh" || health.error === undefined) return [];
    return [findingOf(health.error)];
  }

  reload(): undefined {
    return undefined;
  }

  async look(): Promise<void> {}

  async close(): Promise<void> {
    this.#expiry.watch(undefined);
    await this.#source?.close();
  }

  async #begin(): Promise<SvidSource> {
    for (;;) {
      try {
        return await SvidSource.start(this.#sourceOptions());
      } catch (error) {
        const isAway = error instanceof IdentityClientError && error.code === "MCA_SERVER_UNAVAILABLE";
        if (!isAway || this.#stop.signal.aborted) throw error;
      }
    }
  }

  #sourceOptions(): SvidSourceOptions {
    const { config, clock, random, logger } = this.#options;
    const { server, stateDir, joinTokenFile, jwtFile, attestor, trustFile } = config;
    return {
      ...{ stateDir, clock, random, logger, signal: this.#stop.signal, startTimeoutMs: START_TIMEOUT_MS },
      onWaiting: (error) => this.#stillWaiting(error),
      ...(server === null ? {} : { server }),
      ...(joinTokenFile === null ? {} : { joinToken: { file: joinTokenFile } }),
      ...(jwtFile === null ? {} : { jwt: { file: jwtFile, ...(attestor === null ? {} : { attestor }) } }),
      ...(trustFile === null ? {} : { trustFile }),
    };
  }

  #stillWaiting(error: Error): void {
    this.#waiting = findingOf(error);
    this.#options.logger.warn(
      { event: "identity.waiting", code: this.#waiting.code, reason: this.#waiting.sentence },
      "There is no identity yet; the server is asked again.",
    );
  }

  #changed(): void {
    this.#expiry.watch(this.current().own?.tls.notAfter);
    this.#tell();
  }

  #expired(): void {
    this.#options.logger.error(
      { event: "identity.expired" },
      "The certificate has expired and could not be renewed: nothing is served until the server answers.",
    );
    this.#tell();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
