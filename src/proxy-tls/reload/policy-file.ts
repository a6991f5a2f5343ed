// The policy file: read at the start, and again whenever it changes. One bad policy, and none of the file is taken.
import { parseConfigText } from "../../runtime/config/index.ts";
import type { Clock, Logger } from "../../runtime/index.ts";
import { sha256Hex } from "../../x509/index.ts";
import type { AdminPolicies } from "../admin/view.ts";
import type { ListenerConfig } from "../config/listeners.ts";
import { checkPolicies } from "../policy/check.ts";
import { parsePolicies } from "../policy/parse.ts";
import type { PolicySet } from "../policy/policy-set.ts";
import { WatchedFiles, type WatchedFilesOptions } from "./watched-files.ts";

export interface PolicyFileOptions extends Pick<WatchedFilesOptions, "lookMs" | "settleMs"> {
  readonly path: string;
  readonly listeners: readonly ListenerConfig[];
  readonly apply: (policies: PolicySet) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class PolicyFile {
  readonly files: WatchedFiles;
  readonly #options: PolicyFileOptions;
  #sha256: string | undefined;
  #names: readonly string[] = [];
  #loadedAt: number | undefined;

  constructor(options: PolicyFileOptions) {
    const { path, logger, lookMs, settleMs } = options;
    this.#options = options;
    this.files = new WatchedFiles({
      source: "policies",
      files: [{ path }],
      load: ([text = ""]) => this.#load(text),
      logger,
      ...(lookMs === undefined ? {} : { lookMs }),
      ...(settleMs === undefined ? {} : { settleMs }),
    });
  }

  /** The policies in force. */
  view(): AdminPolicies {
    return { file: this.#options.path, sha256: this.#sha256, names: this.#names, loadedAt: this.#loadedAt };
  }

  #load(text: string): void {
    const { path, listeners, apply, clock } = this.#options;
    const policies = parsePolicies(parseConfigText(text, path));
    checkPolicies(policies, listeners);
    apply(policies);
    this.#sha256 = sha256Hex(Buffer.from(text));
    this.#names = policies.policies.map(({ name }) => name);
    this.#loadedAt = clock.now();
  }
}
