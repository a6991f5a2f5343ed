// RSA moduli that can be factored without effort: small factors, ROCA (CVE-2017-15361), and primes that lie close together
// (Fermat; CVE-2022-26320). A few hundred microseconds at most, and only for RSA keys.

const SMALL_PRIMES = primesUpTo(1000);
const SMALL_PRIMES_PRODUCT = SMALL_PRIMES.reduce((product, prime) => product * BigInt(prime), 1n);

// ROCA: every modulus of Infineon's library lies, modulo each small prime, in the group that 65537 generates. A random
// modulus does so for all of these at once with a probability of about 2^-154.
const ROCA_GROUPS = primesUpTo(167)
  .slice(1)
  .map((prime) => ({ prime, members: powersOf65537(prime) }));

const FERMAT_ROUNDS = 100;

/** What makes a modulus weak, for people; undefined if nothing is known against it. */
export function weaknessOfModulus(modulus: bigint): string | undefined {
  const residue = modulus % SMALL_PRIMES_PRODUCT;
  const residues = new Map(SMALL_PRIMES.map((prime) => [prime, Number(residue % BigInt(prime))]));
  for (const [prime, remainder] of residues) if (remainder === 0) return `divisible by ${prime}`;
  if (ROCA_GROUPS.every(({ prime, members }) => members.has(residues.get(prime) ?? 0))) {
    return "made by a library with the ROCA flaw, CVE-2017-15361";
  }
  if (hasClosePrimes(modulus)) return "its primes lie close together, CVE-2022-26320";
  return undefined;
}

/** Fermat's method: N = a^2 - b^2 with a just above the root of N. */
function hasClosePrimes(modulus: bigint): boolean {
  let a = squareRoot(modulus);
  if (a * a < modulus) a += 1n;
  let rest = a * a - modulus;
  for (let round = 0; round < FERMAT_ROUNDS; round++) {
    if (mayBeSquare(rest)) {
      const root = squareRoot(rest);
      if (root * root === rest) return true;
    }
    rest += 2n * a + 1n;
    a += 1n;
  }
  return false;
}

const SQUARES_MOD_64 = new Set(Array.from({ length: 64 }, (_, n) => (n * n) % 64));
const SQUARES_MOD_45045 = new Set(Array.from({ length: 45045 }, (_, n) => (n * n) % 45045));

/** Sorts out all but about one in 300 of the numbers that are no squares. */
function mayBeSquare(value: bigint): boolean {
  return SQUARES_MOD_64.has(Number(BigInt.asUintN(6, value))) && SQUARES_MOD_45045.has(Number(value % 45045n));
}

/** The floor of the square root, by Newton's method from above. */
function squareRoot(value: bigint): bigint {
  if (value < 2n) return value;
  let x = 1n << BigInt((value.toString(16).length * 4 + 1) >> 1);
  for (;;) {
    const next = (x + value / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}

function powersOf65537(prime: number): ReadonlySet<number> {
  const members = new Set<number>();
  for (let power = 1; !members.has(power); power = (power * 65537) % prime) members.add(power);
  return members;
}

function primesUpTo(limit: number): readonly number[] {
  const primes: number[] = [];
  for (let n = 2; n <= limit; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return primes;
}
