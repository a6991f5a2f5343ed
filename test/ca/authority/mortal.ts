// Cuts a change of an authority off after its nth durable step, in one of two ways:
// "killed": nothing happens any more, as after kill -9: whatever the program still tries fails, the key store included.
// "outage": the database has done what it was asked, its answer is lost, and it is away until `revive`; the process lives on.
import { type Database, StoreError } from "../../../src/ca/store/index.ts";
import type { World } from "../issuance/world.ts";

export type Death = "killed" | "outage";
type Method = (...given: readonly unknown[]) => unknown;

export class Mortal {
  readonly #death: Death;
  #left: number;
  dead = false;
  /** It was cut off, whatever became of it since. */
  died = false;
  /** What the last step was, for messages. */
  last = "";

  /** `steps`: how many it lives. */
  constructor(death: Death, steps: number) {
    this.#death = death;
    this.#left = steps;
  }

  /** The same dependencies, in the hands of a process that is going to die. */
  dependencies(world: World): World["dependencies"] {
    const { ledger, database, keyStore } = world.dependencies;
    const killed = this.#death === "killed";
    return {
      ...world.dependencies,
      ledger: this.#wrap(ledger, ["transact", "commit"], true),
      database: this.#wrap<Database>(database, [], true),
      keyStore: this.#wrap(keyStore, killed ? ["create", "destroy"] : [], killed),
    };
  }

  revive(): void {
    this.dead = false;
    this.#left = Number.POSITIVE_INFINITY;
  }

  #wrap<T extends object>(target: T, steps: readonly string[], fails: boolean): T {
    return new Proxy(target, {
      get: (of, name) => {
        const value: unknown = Reflect.get(of, name, of);
        if (typeof value !== "function") return value;
        const method = value.bind(of) as Method;
        if (name === "reportOutcome" || name === "health") return this.dead ? () => {} : method;
        return async (...given: readonly unknown[]) => {
          if (this.dead && fails) throw this.#error();
          const result = await method(...given);
          if (steps.includes(String(name))) this.#step(String(name));
          return result;
        };
      },
    });
  }

  #step(name: string): void {
    this.last = name;
    this.#left -= 1;
    if (this.#left > 0) return;
    this.dead = true;
    this.died = true;
    throw this.#error();
  }

  #error(): Error {
    return this.#death === "killed"
      ? new Error("killed")
      : new StoreError("MCA_DATABASE_UNAVAILABLE", "The database is away.");
  }
}
