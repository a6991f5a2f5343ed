// A strict reader and a writer of JSON (RFC 8259) for the documents of this room. JSON.parse keeps the last of two equal
// names and rounds integers above 2^53; both would let two readers see two different bundles (rules B-2, B-9).
// Bounded in bytes, in depth and in digits, because the documents come from strangers.

/** A JSON value. Integers are bigint, whatever their size; a number with a fraction or an exponent is a number. */
export type JsonValue = null | boolean | string | number | bigint | readonly JsonValue[] | JsonObject;
/** Names in the order of the text; no name twice. */
export type JsonObject = ReadonlyMap<string, JsonValue>;

/** What the writer takes. Members that are undefined are left out; names that outsiders choose come in a Map. */
export type JsonInput =
  | null
  | boolean
  | string
  | number
  | bigint
  | readonly JsonInput[]
  | ReadonlyMap<string, JsonInput>
  | { readonly [name: string]: JsonInput | undefined };

const MAX_DEPTH = 16;
const MAX_INTEGER_DIGITS = 40;
const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const LITERAL = /true|false|null/y;

/**
 * Reads a JSON document.
 * @throws SyntaxError with a sentence and the offset: on anything RFC 8259 does not allow, a name that appears twice in one
 * object, more than 16 levels, an integer of more than 40 digits, or more than `maxChars` UTF-16 code units
 */
export function parseJson(text: string, maxChars: number): JsonValue {
  if (text.length > maxChars) throw new SyntaxError(`it is longer than ${maxChars} characters`);
  const reader = new Reader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): JsonValue {
    if (depth > MAX_DEPTH) throw this.#error(`more than ${MAX_DEPTH} levels`);
    this.#match(SPACE);
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      case '"':
        return this.#string();
      case "t":
      case "f":
      case "n":
        return this.#literal();
      default:
        return this.#number();
    }
  }

  end(): void {
    this.#match(SPACE);
    if (this.#at !== this.#text.length) throw this.#error("something after the end");
  }

  #object(depth: number): JsonObject {
    const members = new Map<string, JsonValue>();
    this.#at += 1;
    if (this.#take("}")) return members;
    do {
      this.#match(SPACE);
      const name = this.#string();
      if (members.has(name)) throw this.#error(`the name ${JSON.stringify(name)} twice`);
      if (!this.#take(":")) throw this.#error("no colon");
      members.set(name, this.value(depth + 1));
    } while (this.#take(","));
    if (!this.#take("}")) throw this.#error("no closing brace");
    return members;
  }

  #array(depth: number): readonly JsonValue[] {
    const elements: JsonValue[] = [];
    this.#at += 1;
    if (this.#take("]")) return elements;
    do {
      elements.push(this.value(depth + 1));
    } while (this.#take(","));
    if (!this.#take("]")) throw this.#error("no closing bracket");
    return elements;
  }

  #string(): string {
    const start = this.#at;
    if (this.#text[start] !== '"') throw this.#error("no string");
    // By hand, because a pattern for this backtracks. JSON.parse judges what is inside.
    let end = start;
    do {
      end = this.#text.indexOf('"', end + 1);
      if (end === -1) throw this.#error("a string without an end");
    } while (this.#isEscaped(end));
    this.#at = end + 1;
    return String(JSON.parse(this.#text.slice(start, end + 1)));
  }

  /** Whether an odd number of backslashes stands before an offset. */
  #isEscaped(offset: number): boolean {
    let first = offset;
    while (this.#text[first - 1] === "\\") first -= 1;
    return (offset - first) % 2 === 1;
  }

  #number(): number | bigint {
    const token = this.#match(NUMBER);
    if (token === undefined) throw this.#error("no value");
    if (/[.eE]/.test(token)) return Number(token);
    if (token.length > MAX_INTEGER_DIGITS) throw this.#error(`an integer of more than ${MAX_INTEGER_DIGITS} digits`);
    return BigInt(token);
  }

  #literal(): boolean | null {
    const token = this.#match(LITERAL);
    if (token === undefined) throw this.#error("no value");
    return token === "null" ? null : token === "true";
  }

  #take(character: string): boolean {
    this.#match(SPACE);
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const token = pattern.exec(this.#text)?.[0];
    if (token !== undefined) this.#at += token.length;
    return token;
  }

  #error(found: string): SyntaxError {
    return new SyntaxError(`found ${found} at offset ${this.#at}`);
  }
}

/** Writes JSON, indented by two spaces; integers of any size from bigint. */
export function writeJson(value: JsonInput, indent = ""): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const deeper = `${indent}  `;
  if (isArray(value)) {
    if (value.length === 0) return "[]";
    return `[\n${value.map((element) => deeper + writeJson(element, deeper)).join(",\n")}\n${indent}]`;
  }
  const members: string[] = [];
  for (const [name, member] of isMap(value) ? value : Object.entries(value)) {
    if (member !== undefined) members.push(`${deeper}${JSON.stringify(name)}: ${writeJson(member, deeper)}`);
  }
  return members.length === 0 ? "{}" : `{\n${members.join(",\n")}\n${indent}}`;
}

function isMap(value: JsonInput): value is ReadonlyMap<string, JsonInput> {
  return value instanceof Map;
}

function isArray(value: JsonInput): value is readonly JsonInput[] {
  return Array.isArray(value);
}
