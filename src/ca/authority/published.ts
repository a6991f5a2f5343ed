// What the rest of the program sees of an authority.
import type { Certificate } from "../../x509/index.ts";
import type { PublishedState } from "./state.ts";

/** An authority whose leaves are to be accepted. */
export interface PublishedAuthority {
  readonly certificate: Certificate;
  /** Between the authority and its anchor, nearest first. Empty for a self-signed authority. */
  readonly intermediates: readonly Certificate[];
  /** The authority itself if self-signed, else the upstream root. */
  readonly anchor: Certificate;
  readonly state: PublishedState;
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
  /** The replica that holds its key. */
  readonly replica: number;
  /** Of a tainted one: over how many seconds the holders of its leaves spread their renewals. */
  readonly renewSpreadSeconds?: number;
}

/** Whether this replica may issue, and if not what was found, what was expected and which command mends it (invariant 2). */
export type AuthorityHealth =
  | { readonly kind: "ready" }
  | {
      readonly kind: "not-issuing";
      readonly code: string;
      readonly found: string;
      readonly expected: string;
      /** A command line to type, without secrets. */
      readonly command: string;
    };
