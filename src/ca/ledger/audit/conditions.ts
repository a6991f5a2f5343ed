// Conditions of a WHERE clause and the values they name, in one place so that numbers and values cannot drift apart.
import type { SqlValue } from "../../store/index.ts";

export class Conditions {
  readonly #texts: string[];
  readonly #values: SqlValue[];

  constructor(texts: readonly string[] = [], values: readonly SqlValue[] = []) {
    this.#texts = [...texts];
    this.#values = [...values];
  }

  /** Adds a condition; each `?` in it stands for the next of `values`. Answers itself. */
  and(text: string, ...values: readonly SqlValue[]): this {
    let next = 0;
    this.#texts.push(
      text.replaceAll("?", () => {
        this.#values.push(values[next++]);
        return `$${this.#values.length}`;
      }),
    );
    return this;
  }

  copy(): Conditions {
    return new Conditions(this.#texts, this.#values);
  }

  /** " WHERE ..." or nothing. */
  get where(): string {
    return this.#texts.length === 0 ? "" : `WHERE ${this.#texts.join(" AND ")}`;
  }

  get values(): readonly SqlValue[] {
    return this.#values;
  }
}
