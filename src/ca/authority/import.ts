// Brings in the certificate that people signed for a waiting request.
import type { Finding } from "./import-types.ts";

export interface ImportOptions {
  readonly cause: string;
  /** Tell the same, and change nothing. */
  readonly dryRun: boolean;
  /** Let it sign at once, without waiting until every client knows it. */
  readonly emergency?: boolean;
  /** Although the present authority has expired, is revoked or missing. */
  readonly recovery?: boolean;
}

export type ImportReport =
  | {
      readonly kind: "accepted";
      /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
      readonly spkiSha256: string;
      /** Subjects: the authority first, the root last. */
      readonly path: readonly string[];
      /** The earliest notAfter of the path, Unix milliseconds. */
      readonly endsAt: number;
      readonly warnings: readonly Finding[];
      /** It signs from now on (of a dry run: would sign). */
      readonly activated: boolean;
      readonly dryRun: boolean;
      /** When it is going to sign, Unix milliseconds; undefined where it does already. */
      readonly activatesAt?: number;
    }
  | { readonly kind: "refused"; readonly findings: readonly Finding[] };
