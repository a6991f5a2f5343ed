// The rules in PostgreSQL. Every change is made under the ledger's head lock together with its ledger entries, and reaches every
// replica by NOTIFY, or by the poll behind it. A snapshot that is a moment old does no harm: the ledger re-reads the deciding
// rule's revision in the transaction that records an issuance.
import type { Database, Ledger, LedgerTransaction, Subscription } from "../../ca/index.ts";
import type { Clock, Logger } from "../../runtime/index.ts";
import { applyRules, configHashOf, deleteRule, takeOverFile } from "./change-rules.ts";
import { RuleError } from "./errors.ts";
import { hashRules } from "./rule-json.ts";
import { parseRules, RuleSet } from "./rule-set.ts";
import { RULES_CHANNEL, type RuleState, readRevision, readRules } from "./rule-store.ts";
import type { RuleContext, StoredRule } from "./types.ts";

const DEFAULT_POLL_MS = 1000;
/** Most rules in one call of the API. */
const MAX_APPLIED = 1000;

export interface RegistryOptions {
  readonly ledger: Ledger;
  readonly database: Database;
  /** Number of this replica. */
  readonly replica: number;
  /** The configuration's `rules`, as parsed from YAML. */
  readonly configRules: readonly unknown[];
  readonly context: RuleContext;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often the database is asked for a newer revision. Default 1,000 ms. */
  readonly pollMs?: number;
}

export type RegistryHealth =
  | { readonly kind: "ready" }
  | {
      readonly kind: "not-ready";
      readonly code: "MCA_RULES_DIFFER";
      readonly found: string;
      readonly expected: string;
      readonly sentence: string;
    };

export class Registry {
  readonly #options: RegistryOptions;
  readonly #configHash: string;
  #state: RuleState;
  /** Of the configuration's rules in `#state`, as they are and not as they were noted. */
  #foundHash: string;
  #rules: RuleSet;
  #subscription: Subscription | undefined;
  #timer: NodeJS.Timeout | undefined;
  #following: Promise<void> = Promise.resolve();
  #failing = false;
  #closed = false;

  private constructor(options: RegistryOptions, configHash: string, state: RuleState) {
    this.#options = options;
    this.#configHash = configHash;
    this.#state = state;
    this.#foundHash = configHashOf(state.rules);
    this.#rules = RuleSet.load(state.rules, options.context, state.revision);
  }

  /**
   * Checks the configuration's rules, makes them the database's if the file is new, and begins to follow changes.
   * @throws RuleError; RegistryError MCA_RULE_NAME_TAKEN when a rule made by the API has the name of one in the file
   */
  static async open(options: RegistryOptions): Promise<Registry> {
    const definitions = parseRules(options.configRules, options.context).map((rule) => rule.definition);
    const hash = hashRules(definitions);
    const { ledger, replica, clock } = options;
    await takeOverFile(ledger, { replica, definitions, hash }, clock.now());
    const configHash = Buffer.from(hash).toString("hex");
    const registry = new Registry(options, configHash, await readRules(options.database));
    registry.#report();
    await registry.#follow();
    return registry;
  }

  /** The current snapshot. */
  rules(): RuleSet {
    return this.#rules;
  }

  /** Grows with each change of any rule. */
  get revision(): bigint {
    return this.#rules.revision;
  }

  /** Not ready while the database holds the rules of another configuration file. */
  health(): RegistryHealth {
    const found = this.#foundHash;
    const expected = this.#configHash;
    if (found === expected) return { kind: "ready" };
    const sentence =
      "The database holds the rules of another configuration file. Give all replicas the same rules and restart this one.";
    return { kind: "not-ready", code: "MCA_RULES_DIFFER", found, expected, sentence };
  }

  /** Reads the rules from the database now. For a caller that met MCA_RULE_CHANGED. */
  async refresh(): Promise<RuleSet> {
    this.#accept(await readRules(this.#options.database, this.#state.rules));
    return this.#rules;
  }

  /** The rules as they are under the head lock of `tx`: nothing changes them until it ends. */
  async rulesIn(tx: LedgerTransaction): Promise<RuleSet> {
    const revision = await readRevision(tx);
    if (revision === this.#rules.revision) return this.#rules;
    const state = await readRules(tx, this.#state.rules);
    return RuleSet.load(state.rules, this.#options.context, state.revision, this.#rules);
  }

  /**
   * Creates or replaces rules of source "api", all or none. A rule that is already so keeps its revision.
   * @throws RuleError; RegistryError MCA_RULE_READ_ONLY for the name of a rule of the configuration
   */
  async apply(rules: readonly unknown[], requester: string): Promise<readonly StoredRule[]> {
    if (rules.length === 0 || rules.length > MAX_APPLIED) {
      throw new RuleError("request", "rules", `send 1 to ${MAX_APPLIED} rules.`);
    }
    const definitions = parseRules(rules, this.#options.context).map((rule) => rule.definition);
    const stored = await applyRules(this.#options.ledger, definitions, requester, this.#options.clock.now());
    await this.refresh();
    const applied = new Set(definitions.map((rule) => rule.name));
    return stored.filter((rule) => applied.has(rule.definition.name));
  }

  /**
   * Deletes a rule of source "api"; renewals of what it granted stop at once.
   * @throws RegistryError MCA_RULE_NOT_FOUND, MCA_RULE_READ_ONLY
   */
  async delete(name: string, requester: string): Promise<void> {
    await deleteRule(this.#options.ledger, name, requester, this.#options.clock.now());
    await this.refresh();
  }

  /** Stops following changes. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#subscription?.close();
    await this.#following;
  }

  async #follow(): Promise<void> {
    this.#subscription = await this.#options.database.listen(RULES_CHANNEL, () => this.#look());
    this.#schedule();
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.#look(), this.#options.pollMs ?? DEFAULT_POLL_MS);
    this.#timer.unref();
  }

  /** One look after another, never two at once. */
  #look(): void {
    clearTimeout(this.#timer);
    this.#following = this.#following.then(async () => {
      if (this.#closed) return;
      await this.#refreshIfNewer();
      clearTimeout(this.#timer);
      this.#schedule();
    });
  }

  async #refreshIfNewer(): Promise<void> {
    try {
      if ((await readRevision(this.#options.database)) !== this.#rules.revision) await this.refresh();
      this.#failing = false;
    } catch (error) {
      // Once for each outage: the last known rules stay, and the ledger refuses what they no longer allow.
      if (!this.#failing) {
        this.#options.logger.warn({ event: "registry.refresh_failed", error }, "The rules cannot be read right now.");
      }
      this.#failing = true;
    }
  }

  #accept(state: RuleState): void {
    // Two reads may overtake each other; the revision only grows.
    if (state.revision <= this.#rules.revision) return;
    this.#state = state;
    this.#foundHash = configHashOf(state.rules);
    this.#rules = RuleSet.load(state.rules, this.#options.context, state.revision, this.#rules);
    this.#report();
  }

  #report(): void {
    const { logger } = this.#options;
    const fields = { revision: this.#state.revision.toString(), rules: this.#state.rules.length };
    logger.info({ event: "registry.rules_loaded", ...fields }, "Identity rules are in force.");
    for (const { rule, problem } of this.#rules.inactive()) {
      logger.warn({ event: "registry.rule_inactive", rule }, problem);
    }
    const health = this.health();
    if (health.kind === "not-ready") logger.error({ event: "registry.rules_differ", ...health }, health.sentence);
  }
}
