// What an import of an authority's certificate is given and tells.

/** One file of an import, as it came. */
export interface ImportFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Which DNS names rules may grant. */
export type DnsGrant =
  | { readonly kind: "exact"; readonly name: string }
  | { readonly kind: "below"; readonly suffix: string }
  | { readonly kind: "any" };

/** What is wrong, or odd, with a certificate that an upstream gave. */
export interface Finding {
  readonly severity: "error" | "warning";
  /** Its subject, and the file and position it came from. */
  readonly certificate: string;
  readonly rule: string;
  readonly found: string;
  readonly expected: string;
}
