// A real database with a ledger in it, and registries on it, as replicas would have them.
import type { Database, Ledger } from "../../../src/ca/index.ts";
import { Registry, type RegistryOptions } from "../../../src/identity-api/registry/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { openLedger, reopenLedger, TestClock } from "../../ca/ledger/support.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { context } from "./support.ts";

export interface Replica {
  readonly database: Database;
  readonly ledger: Ledger;
  registry(configRules?: readonly unknown[], options?: Partial<RegistryOptions>): Promise<Registry>;
}

export class TestDomain {
  readonly clock = new TestClock();
  readonly test: TestDatabase;
  readonly #closing: { close(): Promise<void> }[] = [];
  #replicas = 0;

  private constructor(test: TestDatabase) {
    this.test = test;
  }

  static async create(): Promise<TestDomain> {
    return new TestDomain(await createTestDatabase());
  }

  /** A pool, a ledger and registries of their own on the same database. */
  async replica(): Promise<Replica> {
    const database = this.#replicas === 0 ? this.test.app : await this.test.open("mesh_ca_app");
    const { clock } = this;
    const ledger =
      this.#replicas === 0 ? await openLedger(database, { clock }) : await reopenLedger(database, { clock });
    this.#replicas++;
    const replica = this.#replicas;
    this.#closing.push(ledger);
    return {
      database,
      ledger,
      registry: async (configRules = [], options = {}) => {
        const registry = await Registry.open({
          ledger,
          database,
          replica,
          configRules,
          context,
          clock,
          logger: silentLogger,
          ...options,
        });
        this.#closing.push(registry);
        return registry;
      },
    };
  }

  /** Kind and content of every entry, in order. */
  async entries(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const rows = await this.test.app.query<{ readonly bytes: Uint8Array }>({
      name: "",
      text: "SELECT bytes FROM ledger_entry ORDER BY log_index",
    });
    return rows.map(({ bytes }) => JSON.parse(Buffer.from(bytes).toString("utf8")));
  }

  async close(): Promise<void> {
    for (const resource of this.#closing.reverse()) await resource.close();
    await this.test.close();
  }
}

/** The same database with some of its functions replaced: for faults that are injected on purpose. */
export function withFaults(database: Database, faults: Partial<Database>): Database {
  return {
    query: (statement, values) => database.query(statement, values),
    transaction: (run) => database.transaction(run),
    pipeline: () => database.pipeline(),
    databaseNow: () => database.databaseNow(),
    listen: (channel, onNotify) => database.listen(channel, onNotify),
    close: () => database.close(),
    ...faults,
  };
}

/** A database that never tells of a change. */
export function deaf(database: Database): Database {
  return withFaults(database, { listen: async () => ({ close: async () => {} }) });
}
