// The entry of one issued certificate (kinds svid.x509 and svid.probe; schema/svid.x509.json), written straight into canonical order:
// the general writer costs five times as much, and a property test holds the two equal. Never a secret: no token, no key.
import { formatTime } from "../../runtime/index.ts";
import { toHex } from "../../x509/index.ts";
import { canonicalString, type EncodedEntry, encodeCanonicalText } from "./canonical.ts";
import { LedgerError } from "./errors.ts";
import type { IntentFields } from "./intent.ts";

/** Longer ones would not fit into the indexes that find them. */
const MAX_NAME_BYTES = 2_048;

/** @throws LedgerError MCA_ENTRY_TOO_LARGE, MCA_ENTRY_INVALID */
export function encodeSvidEntry(fields: IntentFields): EncodedEntry {
  for (const name of [fields.spiffeId, fields.requester]) {
    if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
      throw new LedgerError(
        "MCA_ENTRY_INVALID",
        `The SPIFFE ID or the requester's name is longer than ${MAX_NAME_BYTES} bytes. Shorten it where it comes from.`,
      );
    }
  }
  const { lineage, rule } = fields;
  return encodeCanonicalText(
    `{${fields.attestor === undefined ? "" : `"attestor":${attestorText(fields.attestor, fields.attributes)},`}` +
      `"authority":"${fields.authority}","kind":"${fields.kind}",` +
      `${lineage.kind === "none" ? "" : `"lineage":"${lineage.id}",`}` +
      `"notAfter":"${formatTime(fields.notAfter)}","notBefore":"${formatTime(fields.notBefore)}",` +
      `"requestId":${canonicalString(fields.requestId)},` +
      `"requester":{"address":${canonicalString(fields.requesterAddress)},"name":${canonicalString(fields.requester)}},` +
      `${rule === undefined ? "" : `"rule":{"name":${canonicalString(rule.name)},"revision":"${rule.revision}"},`}` +
      `"serial":"${toHex(fields.serial)}","spiffeId":${canonicalString(fields.spiffeId)},` +
      `"spkiSha256":"${fields.spkiSha256}","tbs":"${base64(fields.tbs)}",` +
      `"time":"${formatTime(fields.issuedAt)}","v":1}`,
  );
}

/** The same fields for the general writer: what the text above must equal, and what a reader sees. */
export function svidEntryFields(fields: IntentFields): { readonly [name: string]: unknown } {
  const { lineage, rule } = fields;
  return {
    v: 1,
    kind: fields.kind,
    time: formatTime(fields.issuedAt),
    serial: toHex(fields.serial),
    spiffeId: fields.spiffeId,
    tbs: base64(fields.tbs),
    spkiSha256: fields.spkiSha256,
    authority: fields.authority,
    notBefore: formatTime(fields.notBefore),
    notAfter: formatTime(fields.notAfter),
    requestId: fields.requestId,
    requester: { name: fields.requester, address: fields.requesterAddress },
    ...(fields.attestor === undefined
      ? {}
      : {
          attestor: {
            instance: fields.attestor,
            evidence: "verified",
            attributes: Object.fromEntries(fields.attributes),
          },
        }),
    ...(rule === undefined ? {} : { rule: { name: rule.name, revision: rule.revision.toString() } }),
    ...(lineage.kind === "none" ? {} : { lineage: lineage.id }),
  };
}

// The attributes of a lineage are one Map for all its renewals.
const attributeTexts = new WeakMap<ReadonlyMap<string, string>, string>();

function attestorText(instance: string, attributes: ReadonlyMap<string, string>): string {
  // "verified": this server checked the evidence itself. Attributes that a host agent asserts will say "asserted".
  return `{"attributes":${attributesText(attributes)},"evidence":"verified","instance":${canonicalString(instance)}}`;
}

function attributesText(attributes: ReadonlyMap<string, string>): string {
  let text = attributeTexts.get(attributes);
  if (text === undefined) {
    // RFC 8785 section 3.2.3: sorted by UTF-16 code units, which is how JavaScript compares strings.
    const names = [...attributes.keys()].sort((a, b) => (a < b ? -1 : 1));
    text = `{${names.map((name) => `${canonicalString(name)}:${canonicalString(attributes.get(name) ?? "")}`).join(",")}}`;
    attributeTexts.set(attributes, text);
  }
  return text;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}
