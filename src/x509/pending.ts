// Signatures first: the path validator is being written.
import type { Certificate } from "./types.ts";

const pending = (..._: unknown[]): never => {
  throw new TypeError("not written yet");
};
export type Purpose = "serverAuth" | "clientAuth";
export interface PathCache {
  /** How many signatures are remembered. */
  readonly size: number;
}
export function createPathCache(maxEntries = 1024): PathCache {
  return pending(maxEntries);
}
export interface PathRequest {
  /** Leaf first, the rest in any order. */
  readonly chain: readonly Certificate[];
  readonly anchors: readonly Certificate[];
  /** Unix milliseconds. */
  readonly time: number;
  readonly target: "end-entity" | "ca";
  readonly purposes?: readonly Purpose[];
  readonly maxCertificates?: number;
  readonly cache?: PathCache;
}
export interface ValidatedPath {
  /** Leaf first, anchor last. */
  readonly path: readonly Certificate[];
}
export function validatePath(request: PathRequest): ValidatedPath {
  return pending(request);
}
