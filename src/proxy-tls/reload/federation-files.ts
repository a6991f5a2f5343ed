// The anchors of other trust domains, one file each: a broken one leaves the last good one of its trust domain in place, and touches no
// other.
import type { Logger } from "../../runtime/index.ts";
import { TrustDomain, type TrustSet } from "../../spiffe/index.ts";
import type { AdminReload } from "../admin/view.ts";
import type { ProxyConfig } from "../config/schema.ts";
import { parseFederationFile } from "../identity/trust-files.ts";
import { WatchedFiles, type WatchedFilesOptions } from "./watched-files.ts";

export interface FederationFilesOptions extends Pick<WatchedFilesOptions, "lookMs" | "settleMs"> {
  readonly federation: ProxyConfig["federation"];
  readonly onChange: () => void;
  readonly logger: Logger;
}

export class FederationFiles {
  readonly #files: readonly WatchedFiles[];
  readonly #trust = new Map<string, TrustSet>();

  constructor({ federation, onChange, logger, lookMs, settleMs }: FederationFilesOptions) {
    this.#files = federation.map(({ trustDomain: name, bundleFile: path }) => {
      const trustDomain = TrustDomain.parse(name);
      return new WatchedFiles({
        source: "trust",
        files: [{ path }],
        load: ([text = ""]) => {
          this.#trust.set(name, parseFederationFile(text, trustDomain, path));
          onChange();
        },
        logger: logger.child({ trustDomain: name }),
        ...(lookMs === undefined ? {} : { lookMs }),
        ...(settleMs === undefined ? {} : { settleMs }),
      });
    });
  }

  /** One for each configured trust domain that has been read. */
  get trust(): readonly TrustSet[] {
    return [...this.#trust.values()];
  }

  /** How the reloads went, all files together; undefined: there are none. */
  get reload(): AdminReload | undefined {
    if (this.#files.length === 0) return undefined;
    const reloads = this.#files.map(({ reload }) => reload);
    return {
      source: "trust",
      succeeded: reloads.reduce((sum, { succeeded }) => sum + succeeded, 0),
      failed: reloads.reduce((sum, { failed }) => sum + failed, 0),
      problem: reloads.find(({ problem }) => problem !== undefined)?.problem,
    };
  }

  /** @throws what the first broken file fails with */
  async first(): Promise<void> {
    await Promise.all(this.#files.map((files) => files.first()));
  }

  watch(): void {
    for (const files of this.#files) files.watch();
  }

  async look(): Promise<void> {
    await Promise.all(this.#files.map((files) => files.look()));
  }

  close(): void {
    for (const files of this.#files) files.close();
  }
}
