// The probe of a new authority: one recorded certificate of the reserved ID /mesh-ca/probe that lives a minute.
import type { KeyObject } from "node:crypto";

/** A probe to be tried by another implementation, against exactly the trust that is about to be published. */
export interface ProbeMaterial {
  /** Leaf first, then the authority and its intermediates, without the root. DER. */
  readonly chain: readonly Uint8Array[];
  /** The probe's own private key; it certifies nothing but this probe and lives as long. */
  readonly key: KeyObject;
  /** The only trust anchor to accept, DER. */
  readonly anchor: Uint8Array;
  /** The moment of the judgement, Unix milliseconds. */
  readonly time: number;
}

/** Tries a probe with OpenSSL. Rejects with a sentence when it is not accepted. */
export type ProbeVerifier = (probe: ProbeMaterial) => Promise<void>;
