// The entries behind the golden vectors: one of each kind at least, with the awkward characters that RFC 8785 is about.
import { type EncodedEntry, encodeEntry } from "../../../src/ca/ledger/canonical.ts";
import type { AdministrativeEntry, IntentFields } from "../../../src/ca/ledger/index.ts";
import { encodeOutcomes } from "../../../src/ca/ledger/outcome-queue.ts";
import { encodeSvidEntry } from "../../../src/ca/ledger/svid-entry.ts";
import { formatTime } from "../../../src/runtime/index.ts";

const TIME = Date.UTC(2026, 6, 1, 12, 0, 0, 7);
const A = "a".repeat(64);
const B = "0123456789abcdef".repeat(4);
const UUID = "0b61ffdc-1f3b-4f74-a06d-6a1c6b1d6f1d";
const DER = Buffer.from("3003020101", "hex").toString("base64");

const svid: IntentFields = {
  kind: "svid.x509",
  serial: Uint8Array.from({ length: 17 }, (_, index) => index + 1),
  spiffeId: "spiffe://example.test/ns/shop/sa/cart",
  tbs: Uint8Array.from({ length: 100 }, (_, index) => index),
  spkiSha256: B,
  authority: A,
  notBefore: TIME - 60_000,
  notAfter: TIME + 3_600_000,
  issuedAt: TIME,
  requester: 'jwt:k8s-prod:"sub" \\ \u20ac/\u000b\u007f\u2028',
  requesterAddress: "2001:db8::7",
  requestId: UUID,
  attestor: "k8s-prod",
  attributes: new Map([
    ["k8s-prod.serviceAccount", "cart"],
    ["k8s-prod.namespace", "shop"],
    ["k8s-prod.\u{1f600}", "sorted by UTF-16 code units: before \ufb33"],
    ["k8s-prod.\ufb33", "\u00f6\ud83d\ude00"],
  ]),
  rule: { name: "shop", revision: 9_007_199_254_740_993n },
  lineage: { kind: "renew", id: UUID, presentedSerial: "01" },
};
const probe: IntentFields = {
  ...svid,
  kind: "svid.probe",
  spiffeId: "spiffe://example.test/mesh-ca/probe",
  requester: "self",
  requesterAddress: "",
  attestor: undefined,
  attributes: new Map(),
  rule: undefined,
  lineage: { kind: "none" },
};

const transition = { time: TIME, authority: A, replica: 1, cause: "first authority" };
const certificate = { certificate: DER, intermediates: [DER], anchor: DER };
const requester = "spiffe://example.test/people/alice";
export const administrative: readonly AdministrativeEntry[] = [
  {
    kind: "trust-domain.initialised",
    time: TIME,
    trustDomain: "example.test",
    origin: "example.test/mesh-ca/log/default/1",
    development: false,
  },
  { kind: "authority.requested", ...transition, upstream: "self-signed", tbs: DER },
  { kind: "authority.prepared", ...transition, ...certificate },
  { kind: "authority.imported", ...transition, ...certificate },
  { kind: "authority.activated", ...transition },
  { kind: "authority.scheduled", ...transition },
  { kind: "authority.retired", ...transition },
  { kind: "authority.tainted", ...transition },
  { kind: "authority.revoked", ...transition },
  { kind: "authority.removed", ...transition },
  { kind: "authority.key-destroyed", time: TIME, authority: A, replica: 127 },
  { kind: "bundle.changed", time: TIME, sequence: "18446744073709551", revision: "2" },
  { kind: "bundle.pruned", time: TIME, anchor: A, subject: "CN=Old Root", cause: "operator" },
  {
    kind: "rule.applied",
    time: TIME,
    name: "shop",
    source: "api",
    revision: "3",
    definition: { priority: -1, match: { "k8s-prod.namespace": "shop" }, ttlSeconds: 3600, roles: [] },
    requester,
  },
  { kind: "rule.deleted", time: TIME, name: "shop", source: "api", revision: "4", requester },
  { kind: "rule.set", time: TIME, source: "config", revision: "5", configHash: DER, requester },
  {
    kind: "token.created",
    time: TIME,
    token: UUID,
    attestor: "token",
    attributes: { "token.service": "cart" },
    expiresAt: formatTime(TIME + 3_600_000),
    requester,
  },
  { kind: "token.voided", time: TIME, token: UUID, requester },
  {
    kind: "access.called",
    time: TIME,
    method: "/meshca.identity.v1.TokenService/VoidJoinToken",
    requester,
    address: "192.0.2.7",
    requestId: UUID,
    reason: "the host was stolen",
  },
  {
    kind: "lineage.frozen",
    time: TIME,
    lineage: UUID,
    spiffeId: "spiffe://example.test/ns/shop/sa/cart",
    cause: "superseded-certificate-presented",
    requester,
    requesterAddress: "192.0.2.7",
    requestId: UUID,
    presented: "01ff",
  },
];

/** Every kind, as this program encodes it. */
export function encodeAll(): { readonly name: string; readonly entry: EncodedEntry }[] {
  return [
    { name: "svid.x509", entry: encodeSvidEntry(svid) },
    { name: "svid.probe", entry: encodeSvidEntry(probe) },
    {
      name: "svid.outcome",
      entry: encodeOutcomes(
        [
          { logIndex: 9_007_199_254_740_993n, result: "signed", signature: Uint8Array.of(0x30, 0x06, 0xff) },
          { logIndex: 1n, result: "failed" },
        ],
        TIME,
      ),
    },
    ...administrative.map((entry) => ({
      name: entry.kind,
      entry: encodeEntry({ ...entry, v: 1, time: formatTime(entry.time) }),
    })),
  ];
}
