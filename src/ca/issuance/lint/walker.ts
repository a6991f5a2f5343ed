// A tiny DER walker (X.690, DER) for the lint. It is a second reader on purpose: it must never import from src/x509, so
// that one mistake cannot be made twice. It allocates nothing and copies nothing.

/** What the lint found wrong; turned into an IssuanceError at the edge. */
export class LintFinding extends Error {
  /** The rule that is broken: "X-4", "RFC 5280 4.1.2.2", "DER". */
  readonly rule: string;
  readonly found: string;
  readonly expected: string;

  constructor(rule: string, found: string, expected: string) {
    super(`${rule}: found ${found}, expected ${expected}`);
    this.rule = rule;
    this.found = found;
    this.expected = expected;
  }
}

/** Walks over DER from front to back. `at` is the next octet; the methods move it. */
export class Walker {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Whether the next element, before `end`, has this tag. */
  next(tag: number, end: number): boolean {
    return this.at < end && this.bytes[this.at] === tag;
  }

  /** Steps into the element with this tag, which must lie before `end` whole. Returns where its contents end. */
  enter(tag: number, end: number, what: string): number {
    const { bytes } = this;
    if (this.at + 2 > end) throw new LintFinding("DER", `no ${what}`, `an element 0x${tag.toString(16)}`);
    if (bytes[this.at] !== tag) {
      throw new LintFinding("DER", `tag 0x${(bytes[this.at] ?? 0).toString(16)}`, `${what} (0x${tag.toString(16)})`);
    }
    let length = bytes[this.at + 1] ?? 0;
    let start = this.at + 2;
    if (length >= 0x80) {
      const octets = length - 0x80;
      if (octets < 1 || octets > 2 || start + octets > end) throw badLength(what);
      length = bytes[start] ?? 0;
      if (octets === 2) length = length * 256 + (bytes[start + 1] ?? 0);
      start += octets;
      // DER: the shortest form only.
      if (length < (octets === 1 ? 0x80 : 0x100)) throw badLength(what);
    }
    if (start + length > end) throw badLength(what);
    this.at = start;
    return start + length;
  }

  /** Steps over an element of any kind and says where it began. */
  skip(end: number, what: string): number {
    const from = this.at;
    this.at = this.enter(this.bytes[from] ?? 0, end, what);
    return from;
  }

  /** Everything before `end` must have been read. */
  finish(end: number, what: string): void {
    if (this.at !== end) throw new LintFinding("DER", `more octets after ${what}`, "its end");
  }

  /** The next octets, up to `end`, must be exactly these. */
  expect(expected: Uint8Array, end: number, rule: string, what: string): void {
    if (!same(this.bytes, this.at, end, expected)) throw new LintFinding(rule, `another ${what}`, "the one intended");
    this.at = end;
  }
}

/** Whether bytes[from..to] are exactly `other`. */
export function same(bytes: Uint8Array, from: number, to: number, other: Uint8Array): boolean {
  if (to - from !== other.length) return false;
  for (let i = 0; i < other.length; i++) if (bytes[from + i] !== other[i]) return false;
  return true;
}

/** Whether bytes[from..to] are exactly this ASCII text. */
export function sameText(bytes: Uint8Array, from: number, to: number, text: string): boolean {
  if (to - from !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[from + i] !== text.charCodeAt(i)) return false;
  return true;
}

function badLength(what: string): LintFinding {
  return new LintFinding("DER", `a bad length of ${what}`, "a definite length in its shortest form");
}
