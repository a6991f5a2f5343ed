// Whether the name constraints above an authority permit every name that its leaves may have.

/** DNS names that rules may grant: one, everything below a suffix ("svc.example.test"), or any. */
export type DnsGrant =
  | { readonly kind: "exact"; readonly name: string }
  | { readonly kind: "below"; readonly suffix: string }
  | { readonly kind: "any" };
