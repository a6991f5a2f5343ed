// The kinds of entries that administration appends, with their fields. JSON Schemas: schema/*.json.

/** JSON without numbers: indexes, revisions and sequences are decimal strings; only `replica`, `v` and such are numbers. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

interface Common<Kind extends string> {
  readonly kind: Kind;
  /** When, Unix milliseconds (written as RFC 3339). */
  readonly time: number;
}

type Transition<Kind extends string> = Common<Kind> & {
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly authority: string;
  readonly replica: number;
  readonly cause: string;
};

export type AdministrativeEntry =
  | (Common<"trust-domain.initialised"> & {
      readonly trustDomain: string;
      readonly origin: string;
      readonly development: boolean;
    })
  /** Before the authority's own key signs anything. `tbs`: base64 of what it signs first (TBSCertificate or CertificationRequestInfo). */
  | (Transition<"authority.requested"> & { readonly upstream: string; readonly tbs: string })
  | (Transition<"authority.prepared" | "authority.imported"> & {
      /** base64 of the DER. */
      readonly certificate: string;
      readonly intermediates: readonly string[];
      readonly anchor: string;
    })
  /** `voidedTokens`: how many join tokens an emergency made worthless. */
  | (Transition<"authority.activated"> & { readonly emergency?: boolean; readonly voidedTokens?: string })
  | (Transition<"authority.tainted"> & {
      readonly renewSpreadSeconds?: string;
      /** Where the upstream revoked its chain: which certificate, and who says so. */
      readonly upstreamRevocation?: string;
    })
  /** `distrusted`: its key is trusted nowhere in a chain any more. */
  | (Transition<"authority.revoked"> & { readonly distrusted?: boolean })
  | Transition<"authority.scheduled" | "authority.retired" | "authority.removed">
  | (Common<"authority.key-destroyed"> & { readonly authority: string; readonly replica: number })
  | (Common<"bundle.changed"> & { readonly sequence: string; readonly revision: string })
  /** An upstream root was taken out of the bundle. `anchor`: SHA-256 of the certificate. */
  | (Common<"bundle.pruned"> & { readonly anchor: string; readonly subject: string; readonly cause: string })
  | (Common<"rule.applied"> & {
      readonly name: string;
      readonly source: string;
      readonly revision: string;
      readonly definition: { readonly [name: string]: JsonValue };
      readonly requester: string;
    })
  | (Common<"rule.deleted"> & {
      readonly name: string;
      readonly source: string;
      readonly revision: string;
      readonly requester: string;
    })
  /** The rules of the configuration file were replaced. `configHash`: base64 of SHA-256. */
  | (Common<"rule.set"> & {
      readonly source: string;
      readonly revision: string;
      readonly configHash: string;
      readonly requester: string;
    })
  | (Common<"token.created"> & {
      readonly token: string;
      readonly attestor: string;
      readonly attributes: { readonly [name: string]: string };
      /** RFC 3339 (formatTime). */
      readonly expiresAt: string;
      readonly requester: string;
    })
  | (Common<"token.voided"> & { readonly token: string; readonly requester: string })
  | (Common<"access.called"> & {
      readonly method: string;
      readonly requester: string;
      readonly address: string;
      readonly requestId: string;
      /** Why, where the caller came by the break-glass socket. */
      readonly reason?: string;
    })
  | (Common<"lineage.frozen"> & {
      readonly lineage: string;
      readonly spiffeId: string;
      readonly cause: string;
      readonly requester: string;
      readonly requesterAddress?: string;
      readonly requestId?: string;
      /** The serial that was presented, lower-case hex. */
      readonly presented?: string;
    });
