// The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B), read only: we never write it. The code is canonical (shorter codes
// first, then by octet), so that the lengths of appendix B say all of it. A table answers the next 12 bits in one step: two octets, for letters
// and digits, else one; codes that are longer are found bit by bit. Never reads behind the end, and never takes a padding that is not the
// beginning of EOS.

const EOS = 256;
const LONGEST = 30;
/** Bits that the table looks at. */
const TABLE_BITS = 12;
const TABLE_ONES = (1 << TABLE_BITS) - 1;

/** Length of the code of each octet, in bits; the last is EOS. */
const LENGTHS: readonly number[] = [
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28],
  ...[28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  ...[6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6],
  ...[5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  ...[13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
  ...[7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  ...[15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5],
  ...[6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  ...[20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23],
  ...[24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  ...[22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
  ...[21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  ...[26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25],
  ...[19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  ...[20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  ...[26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
  ...[LONGEST],
];

/** Octets in the order of their codes, then EOS. */
const SYMBOLS = new Uint16Array(EOS + 1);
/** The first code of each length, how many there are, and where their octets begin in SYMBOLS. */
const FIRST_CODES = new Int32Array(LONGEST + 1);
const CODE_COUNTS = new Int32Array(LONGEST + 1);
const FIRST_SYMBOLS = new Int32Array(LONGEST + 1);

/** By the next 12 bits: octet | second octet << 8 | how many << 16 | bits of both << 18; 0: a longer code. */
const STEPS = new Int32Array(1 << TABLE_BITS);
const COUNT_SHIFT = 16;
const LENGTH_SHIFT = 18;

buildTables();

function buildTables(): void {
  let code = 0;
  let placed = 0;
  for (let length = 1; length <= LONGEST; length += 1) {
    code <<= 1;
    FIRST_CODES[length] = code;
    FIRST_SYMBOLS[length] = placed;
    for (let symbol = 0; symbol <= EOS; symbol += 1) {
      if (LENGTHS[symbol] !== length) continue;
      SYMBOLS[placed] = symbol;
      placed += 1;
      if (length <= TABLE_BITS) {
        const free = TABLE_BITS - length;
        const step = symbol | (1 << COUNT_SHIFT) | (length << LENGTH_SHIFT);
        STEPS.fill(step, code << free, (code + 1) << free);
      }
      code += 1;
    }
    CODE_COUNTS[length] = placed - (FIRST_SYMBOLS[length] ?? 0);
  }
  // Where a second code fits behind the first: what it is stands in the table already, under the bits that follow.
  const single = STEPS.slice();
  for (let bits = 0; bits <= TABLE_ONES; bits += 1) {
    const first = single[bits] ?? 0;
    const length = first >>> LENGTH_SHIFT;
    const second = single[(bits << length) & TABLE_ONES] ?? 0;
    const secondLength = second >>> LENGTH_SHIFT;
    if (first === 0 || second === 0 || length + secondLength > TABLE_BITS) continue;
    const more = ((second & 0xff) << 8) + (1 << COUNT_SHIFT) + (secondLength << LENGTH_SHIFT);
    STEPS[bits] = first + more;
  }
}

/** How large a target must be for a coded string of `length` octets: the shortest code has 5 bits, and one octet more is written to. */
export function huffmanBound(length: number): number {
  return Math.floor((length * 8) / 5) + 1;
}

/**
 * Decodes source[start..end) into `target`, which has huffmanBound(end - start) octets.
 * @returns how many octets were written; -1 when EOS occurs, or when the rest is not a padding of up to 7 bits of EOS (RFC 7541 5.2)
 */
export function decodeHuffman(source: Uint8Array, start: number, end: number, target: Uint8Array): number {
  let written = 0;
  let at = start;
  // The lowest `count` bits of `bits` are not yet read; what is above them is left over, and cut off where it matters.
  let bits = 0;
  let count = 0;
  for (;;) {
    if (count < TABLE_BITS && at < end) {
      bits = (bits << 8) | (source[at] ?? 0);
      at += 1;
      count += 8;
      if (count < TABLE_BITS + 4 && at < end) {
        bits = (bits << 8) | (source[at] ?? 0);
        at += 1;
        count += 8;
      }
    }
    const missing = TABLE_BITS - count;
    // Behind the end come ones, as in EOS.
    const next = (missing <= 0 ? bits >>> -missing : (bits << missing) | ((1 << missing) - 1)) & TABLE_ONES;
    const step = STEPS[next] ?? 0;
    const stepLength = step >>> LENGTH_SHIFT;
    if (step !== 0 && stepLength <= count) {
      target[written] = step & 0xff;
      target[written + 1] = (step >>> 8) & 0xff;
      written += (step >>> COUNT_SHIFT) & 3;
      count -= stepLength;
      continue;
    }
    if (missing > 0) {
      // The end. No code is all ones, so what reaches into the ones behind it was no padding, or is one.
      const ones = (1 << count) - 1;
      return count < 8 && (bits & ones) === ones ? written : -1;
    }
    let code = next;
    count -= TABLE_BITS;
    for (let length = TABLE_BITS + 1; ; length += 1) {
      if (count === 0) {
        // Within a code that has more than 7 bits already: no padding.
        if (at === end) return -1;
        bits = source[at] ?? 0;
        at += 1;
        count = 8;
      }
      count -= 1;
      code = (code << 1) | ((bits >>> count) & 1);
      const offset = code - (FIRST_CODES[length] ?? 0);
      if (offset >= (CODE_COUNTS[length] ?? 0)) continue;
      const symbol = SYMBOLS[(FIRST_SYMBOLS[length] ?? 0) + offset] ?? EOS;
      if (symbol === EOS) return -1;
      target[written] = symbol;
      written += 1;
      break;
    }
  }
}
