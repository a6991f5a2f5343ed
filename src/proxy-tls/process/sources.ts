// Everything that the state is made of, followed while the proxy runs: identity, our own trust and that of others, policies.
import type { SchedulingClock } from "../../identity-client/index.ts";
import type { Logger, RandomSource } from "../../runtime/index.ts";
import type { AdminFinding, AdminPolicies, AdminReload } from "../admin/view.ts";
import type { ProxyConfig } from "../config/schema.ts";
import { ProxyError } from "../errors.ts";
import { FileIdentity } from "../identity/file-identity.ts";
import { MeshCaIdentity } from "../identity/mesh-ca-identity.ts";
import type { IdentityProvider } from "../identity/provider.ts";
import { FederationFiles } from "../reload/federation-files.ts";
import { PolicyFile } from "../reload/policy-file.ts";
import type { StateHolder } from "./state-holder.ts";
import { strangersOf } from "./strangers.ts";

export interface SourcesOptions {
  readonly config: ProxyConfig;
  readonly state: StateHolder;
  readonly clock: SchedulingClock;
  readonly random: RandomSource;
  readonly logger: Logger;
}

const NO_POLICIES: AdminPolicies = { file: undefined, sha256: undefined, names: [], loadedAt: undefined };

export class StateSources {
  readonly #options: SourcesOptions;
  readonly #identity: IdentityProvider;
  readonly #federation: FederationFiles;
  readonly #policies: PolicyFile | undefined;

  constructor(options: SourcesOptions) {
    const { config, state, clock, logger } = options;
    this.#options = options;
    this.#identity = identityProvider(options);
    this.#identity.onChange(() => this.#changed());
    this.#federation = new FederationFiles({
      federation: config.federation,
      onChange: () => this.#changed(),
      logger,
    });
    const { policyFile, listeners } = config;
    this.#policies =
      policyFile === null
        ? undefined
        : new PolicyFile({
            path: policyFile,
            listeners,
            apply: (policies) => state.update({ policies }),
            clock,
            logger,
          });
  }

  /**
   * Reads what there is to read, and waits for the first identity.
   * @throws ConfigError, ProxyError, SpiffeError for files that cannot be used; ServerRefusal and others where waiting cannot help;
   *   the signal's reason
   */
  async start(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#federation.first(), this.#policies?.files.first()]);
    this.#federation.watch();
    this.#policies?.files.watch();
    await this.#identity.start(signal);
    this.#requireOneTrustForEachDomain();
    this.#changed();
    for (const finding of this.#strangers()) {
      this.#options.logger.warn({ event: "proxy.expects_strangers", code: finding.code }, finding.sentence);
    }
  }

  /** Why there is no identity to serve with; empty: there is one. */
  missingIdentity(): readonly AdminFinding[] {
    if (this.#identity.current().own !== undefined) return [];
    const problems = this.#identity.problems();
    if (problems.length > 0) return problems;
    return [{ code: "MCA_TLS_IDENTITY_MISSING", sentence: "There is no identity yet; it is being asked for." }];
  }

  /** What should be mended. */
  notes(): readonly AdminFinding[] {
    const reloads = this.reloads().flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
    const identity = this.#identity.current().own === undefined ? [] : this.#identity.problems();
    return [...identity, ...reloads, ...this.#strangers()];
  }

  reloads(): readonly AdminReload[] {
    return [this.#identity.reload(), this.#federation.reload, this.#policies?.files.reload].filter(
      (reload) => reload !== undefined,
    );
  }

  policies(): AdminPolicies {
    return this.#policies?.view() ?? NO_POLICIES;
  }

  /** Looks at every file now. */
  async look(): Promise<void> {
    await Promise.all([this.#identity.look(), this.#federation.look(), this.#policies?.files.look()]);
  }

  async close(): Promise<void> {
    this.#policies?.files.close();
    this.#federation.close();
    await this.#identity.close();
  }

  #changed(): void {
    const { own, trust } = this.#identity.current();
    const others = this.#federation.trust.filter(({ trustDomain }) => trust?.trustDomain.equals(trustDomain) !== true);
    this.#options.state.update({ own: own ?? null, trust: trust === undefined ? others : [trust, ...others] });
  }

  #strangers(): readonly AdminFinding[] {
    const { trust } = this.#identity.current();
    if (trust === undefined) return [];
    return strangersOf(this.#options.config, trust.trustDomain);
  }

  /** Two stories about one trust domain would be two that disagree one day. */
  #requireOneTrustForEachDomain(): void {
    const own = this.#identity.current().trust?.trustDomain;
    if (own === undefined || !this.#options.config.federation.some(({ trustDomain }) => trustDomain === own.name))
      return;
    throw new ProxyError(
      "MCA_PROXY_FEDERATION_FILE",
      `federation names ${own.name}, which is our own trust domain: its trust comes with our identity. Remove it there.`,
    );
  }
}

function identityProvider({ config, clock, random, logger }: SourcesOptions): IdentityProvider {
  const { identity } = config;
  return identity.kind === "files"
    ? new FileIdentity({ ...identity, clock, logger })
    : new MeshCaIdentity({ config: identity, clock, random, logger });
}
