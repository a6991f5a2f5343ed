// What the proxy's bench and its load client (a process of its own, so that its CPU is nobody else's) say to each other.

/** How a group of connections speaks. `tcp` is plaintext, `tls` the same request over mutual TLS, `h2` HTTP/2 over mutual TLS. */
export type Wire = "tcp" | "tls" | "h2";

export type ToClient =
  /** Where the client's identity is. */
  | { readonly kind: "identity"; readonly folder: string }
  /** Opens connections under a name, to be used by `run` until `close`. */
  | {
      readonly kind: "open";
      readonly group: string;
      readonly wire: Wire;
      readonly port: number;
      readonly connections: number;
    }
  /** The same call so many times over a group's connections, `inFlight` at once in all. */
  | { readonly kind: "run"; readonly group: string; readonly count: number; readonly inFlight: number }
  | { readonly kind: "close"; readonly group: string }
  /** Mutual TLS, and away again. */
  | { readonly kind: "handshakes"; readonly port: number; readonly count: number; readonly inFlight: number }
  /** One body; answers whether what arrived has the SHA-256 of what was sent. */
  | { readonly kind: "bulk"; readonly port: number; readonly direction: "up" | "down"; readonly bytes: number };

export type FromClient =
  | { readonly kind: "ready" }
  | { readonly kind: "done" }
  | ({ readonly kind: "ran" } & Ran)
  | { readonly kind: "carried"; readonly equal: boolean; readonly seconds: number }
  | { readonly kind: "failed"; readonly sentence: string };

export interface Ran {
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Calls that got no answer, or another than the first; the sentences of the first few. */
  readonly failed: number;
  readonly failures: readonly string[];
}
