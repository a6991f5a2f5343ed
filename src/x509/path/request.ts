// What the path validator is asked, and what it answers.
import type { Certificate } from "../types.ts";
import type { PathCache } from "./cache.ts";

/** What the key of an end entity is to be used for (RFC 5280 section 4.2.1.12). */
export type Purpose = "serverAuth" | "clientAuth";

export interface PathRequest {
  /** The certificate to be judged first, then whatever helps, in any order; what does not help is ignored. */
  readonly chain: readonly Certificate[];
  /**
   * What is trusted. An anchor's validity, CA flag, path length, name constraints, key and algorithms count like those of
   * any other CA of the path; its own signature is not checked. It need not be self-signed.
   */
  readonly anchors: readonly Certificate[];
  /** The time of the judgement, Unix milliseconds. */
  readonly time: number;
  /** "ca": the first certificate is to issue certificates itself, so that it must be a CA with room beneath it. */
  readonly target: "end-entity" | "ca";
  /** Each must be allowed by every certificate of the path that lists purposes. Default: none asked, none checked. */
  readonly purposes?: readonly Purpose[];
  /** Bound on the chain, and on the path with its anchor. Default 8. */
  readonly maxCertificates?: number;
  /** Also hold every certificate to what RFC 5280 section 4 demands of CAs (as OpenSSL -x509_strict). Default false. */
  readonly conformingIssuers?: boolean;
  /** Remembers issuers from one call to the next. */
  readonly cache?: PathCache;
}

/** A path that was accepted. */
export interface ValidatedPath {
  /** From the judged certificate to the anchor, both included. */
  readonly path: readonly Certificate[];
}
