// Buffers that pass through and are garbage at once. V8 counts their memory, which lies outside its heap, into the limit at which it marks
// everything that lives: with a young generation that load has made large, that comes before the next small collection, and
// a relay spends half of its time marking (1.8 ms a megabyte in place of 1.3).

/** Well below the 64 MB of foreign memory at which V8 begins to mark. */
const COLLECT_BYTES = 24 * 1024 * 1024;

let passed = 0;

/**
 * Counts bytes that were read and handed on. Every 24 MB the young generation is collected, about 1 ms. Does nothing where Node runs
 * without --expose-gc (package.json has it).
 */
export function bytesPassed(count: number): void {
  passed += count;
  if (passed < COLLECT_BYTES) return;
  passed = 0;
  globalThis.gc?.({ type: "minor" });
}
