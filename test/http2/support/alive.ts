// What the garbage collector leaves.
import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** @returns how many of them are still held by somebody */
export async function alive(objects: readonly WeakRef<object>[]): Promise<number> {
  setFlagsFromString("--expose-gc");
  const gc: unknown = runInNewContext("gc");
  assert.ok(typeof gc === "function");
  // A reference that was made in this turn holds until its end.
  await new Promise((resolve) => setImmediate(resolve));
  gc();
  return objects.filter((one) => one.deref() !== undefined).length;
}
