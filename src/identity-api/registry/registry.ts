// The rules in PostgreSQL: every change under the ledger's head lock and in the ledger, every replica within a second.
import type { Database, Ledger, LedgerTransaction } from "../../ca/index.ts";
import type { Clock, Logger } from "../../runtime/index.ts";
import type { RuleSet } from "./rule-set.ts";
import type { RuleContext, StoredRule } from "./types.ts";

export interface RegistryOptions {
  readonly ledger: Ledger;
  readonly database: Database;
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
  /** Checks the configuration's rules, makes them the database's revision if they differ, and begins to follow changes. */
  static async open(_options: RegistryOptions): Promise<Registry> {
    throw new TypeError("not written yet");
  }

  /** The current snapshot. */
  rules(): RuleSet {
    throw new TypeError("not written yet");
  }

  get revision(): bigint {
    throw new TypeError("not written yet");
  }

  /** Not ready while the database holds the rules of another configuration file. */
  health(): RegistryHealth {
    throw new TypeError("not written yet");
  }

  /** Reads the rules from the database now. For a caller that met MCA_RULE_CHANGED. */
  async refresh(): Promise<RuleSet> {
    throw new TypeError("not written yet");
  }

  /** Reads the rules under the head lock of `tx`: nothing changes them until it ends. */
  async rulesIn(_tx: LedgerTransaction): Promise<RuleSet> {
    throw new TypeError("not written yet");
  }

  /** Creates or replaces rules of source "api", all or none. Throws RuleError, RegistryError MCA_RULE_READ_ONLY. */
  async apply(_rules: readonly unknown[], _requester: string): Promise<readonly StoredRule[]> {
    throw new TypeError("not written yet");
  }

  /** Deletes a rule of source "api"; renewals of what it granted stop at once. Throws MCA_RULE_NOT_FOUND, MCA_RULE_READ_ONLY. */
  async delete(_name: string, _requester: string): Promise<void> {
    throw new TypeError("not written yet");
  }

  /** Stops following changes. */
  async close(): Promise<void> {
    throw new TypeError("not written yet");
  }
}
