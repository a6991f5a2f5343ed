// Fields, and blocks of them as any lawful encoder may write them: each field by whichever representation a draw picks. The table is a plain
// array here: a second reading of RFC 7541 section 4 that our own is compared with.
import fc from "fast-check";
import { STATIC_FIELDS } from "../../../../src/http2/hpack/static-table.ts";
import { indexed, type Kind, literal, sizeUpdate } from "./blocks.ts";

const NAMES = [
  ...[":authority", ":path", ":status", "accept", "authorization", "content-type", "content-length", "cookie"],
  ...["x-a", "x-b", "x-c", "x-request-id", "traceparent", "user-agent", "grpc-status", "via", "date"],
];

const visible = fc.integer({ min: 0x21, max: 0x7e });
const value = fc.oneof(
  fc.constantFrom("", "/", "GET", "200", "1", "2", "application/grpc", "trailers", "a b", "x".repeat(200)),
  fc
    .array(fc.oneof(visible, fc.integer({ min: 0x80, max: 0xff })), { maxLength: 80 })
    .map((codes) => String.fromCharCode(...codes)),
  fc.integer({ min: 0, max: 1500 }).map((length) => "v".repeat(length)),
);
const name = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...NAMES) },
  { weight: 1, arbitrary: fc.stringMatching(/^[a-z0-9!#$&^_`|~.*+-]{1,60}$/) },
);

/** Name, value, name, value ... */
export const anyFields = fc
  .array(fc.tuple(name, value), { maxLength: 14 })
  .map((pairs): readonly string[] => pairs.flat());

const TABLE_BYTES = fc.constantFrom(0, 32, 40, 100, 300, 1000, 4095, 4096);

/** How a field is to be written, as far as the table allows it. */
interface Choice {
  readonly kind: Kind | "indexed";
  readonly byNumber: boolean;
  readonly coded: boolean;
  /** Which of several numbers is taken. */
  readonly pick: number;
}

const anyChoice: fc.Arbitrary<Choice> = fc.record({
  kind: fc.constantFrom("indexed", "indexed", "added", "plain", "never"),
  byNumber: fc.boolean(),
  coded: fc.boolean(),
  pick: fc.nat(),
});

export interface AnyBlock {
  readonly sizes: readonly number[];
  readonly fields: readonly string[];
  readonly choices: readonly Choice[];
}

export const anyBlocks: fc.Arbitrary<readonly AnyBlock[]> = fc.array(
  fc.record({
    sizes: fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(TABLE_BYTES, { maxLength: 2 }) },
    ),
    fields: anyFields,
    choices: fc.array(anyChoice, { minLength: 14, maxLength: 14 }),
  }),
  { maxLength: 12 },
);

/** Sizes of the table that a peer's SETTINGS may set, before each of many blocks. */
export const anySettings = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    fc.array(fc.oneof(TABLE_BYTES, fc.nat(70_000)), { maxLength: 3 }),
  ),
  { minLength: 12, maxLength: 12 },
);

type Field = readonly [name: string, value: string];

const STATIC: readonly Field[] = Array.from({ length: STATIC_FIELDS.length / 2 }, (_, index) => [
  STATIC_FIELDS[2 * index] ?? "",
  STATIC_FIELDS[2 * index + 1] ?? "",
]);

/** An encoder that writes what the draws say. */
export class AnyEncoder {
  #entries: Field[] = [];
  #maxBytes = 4096;

  encode(block: AnyBlock): Buffer {
    const parts: Buffer[] = [];
    for (const bytes of block.sizes) {
      this.#maxBytes = bytes;
      this.#evict();
      parts.push(sizeUpdate(bytes));
    }
    for (let index = 0; index < block.fields.length; index += 2) {
      const choice = block.choices[index / 2];
      if (choice === undefined) break;
      parts.push(this.#field([block.fields[index] ?? "", block.fields[index + 1] ?? ""], choice));
    }
    return Buffer.concat(parts);
  }

  #field(field: Field, choice: Choice): Buffer {
    const [name, value] = field;
    const table = [...STATIC, ...this.#entries];
    const numbers = (matches: (entry: Field) => boolean): number[] =>
      table.flatMap((entry, index) => (matches(entry) ? [index + 1] : []));
    const whole = numbers((entry) => entry[0] === name && entry[1] === value);
    if (choice.kind === "indexed" && whole.length > 0) return indexed(whole[choice.pick % whole.length] ?? 0);
    const names = choice.byNumber ? numbers((entry) => entry[0] === name) : [];
    const kind = choice.kind === "indexed" ? "added" : choice.kind;
    if (kind === "added") {
      this.#entries.unshift(field);
      this.#evict();
    }
    return literal(kind, names[choice.pick % names.length] ?? name, value, choice.coded);
  }

  /** From the oldest, until what is left fits: a field that is larger than the table goes last, and takes all with it. */
  #evict(): void {
    const bytes = (): number => this.#entries.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (bytes() > this.#maxBytes) this.#entries.pop();
  }
}
