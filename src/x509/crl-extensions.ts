// The extensions of a CRL (RFC 5280 section 5.2). What is critical and not known is named, for the check to refuse.
import { DerReader, derMalformed } from "./der/reader.ts";
import { tag } from "./der/tags.ts";
import { enterValue, readAuthorityKeyId, readExtensions } from "./extensions.ts";
import { oid } from "./oids.ts";
import { readDistributionPointName } from "./revocation-sources.ts";
import type { GeneralName } from "./types.ts";

/** Section 5.2.5: which certificates a CRL speaks of. */
export interface IssuingDistributionPoint {
  /** Undefined: it names no distribution point, so that it is good for all. */
  readonly names: readonly GeneralName[] | undefined;
  readonly onlyUserCertificates: boolean;
  readonly onlyCaCertificates: boolean;
  readonly onlyAttributeCertificates: boolean;
  readonly onlySomeReasons: boolean;
  readonly indirect: boolean;
}

export interface CrlExtensions {
  readonly authorityKeyId: Uint8Array | undefined;
  /** Section 5.2.3; at most 20 octets. */
  readonly number: bigint | undefined;
  readonly issuingDistributionPoint: IssuingDistributionPoint | undefined;
  /** Section 5.2.4: it lists changes only. */
  readonly isDelta: boolean;
  /** OIDs of critical extensions that we do not process. */
  readonly unknownCritical: readonly string[];
}

const MAX_NUMBER_OCTETS = 20;

/** Reads crlExtensions, if any, under the TBSCertList. DER errors keep their code. */
export function readCrlExtensions(parent: DerReader, version: 1 | 2): CrlExtensions {
  const fields: { -readonly [K in keyof CrlExtensions]: CrlExtensions[K] } & { unknownCritical: string[] } = {
    authorityKeyId: undefined,
    number: undefined,
    issuingDistributionPoint: undefined,
    isDelta: false,
    unknownCritical: [],
  };
  if (parent.isDone) return fields;
  if (version === 1) throw derMalformed("it has extensions and is not v2");
  const wrapper = parent.enter(tag.explicit(0), "the CRL's extensions");
  const extensions = readExtensions(wrapper, "the CRL's extensions");
  wrapper.end("the CRL's extensions");
  for (const { oid: id, critical, value } of extensions) {
    switch (id) {
      case oid.authorityKeyId:
        fields.authorityKeyId = readAuthorityKeyId(value).keyId;
        break;
      case oid.crlNumber:
        fields.number = readNumber(value);
        break;
      case oid.deltaCrlIndicator:
        readNumber(value);
        fields.isDelta = true;
        break;
      case oid.issuingDistributionPoint:
        fields.issuingDistributionPoint = readIssuingDistributionPoint(value);
        break;
      default:
        if (critical) fields.unknownCritical.push(id);
    }
  }
  return fields;
}

function readNumber(value: Uint8Array): bigint {
  const reader = new DerReader(value);
  const magnitude = reader.unsigned("the CRL number");
  reader.end("the CRL number");
  if (magnitude.length > MAX_NUMBER_OCTETS) {
    throw derMalformed(`the CRL number has more than ${MAX_NUMBER_OCTETS} octets`);
  }
  let number = 0n;
  for (const octet of magnitude) number = (number << 8n) | BigInt(octet);
  return number;
}

function readIssuingDistributionPoint(value: Uint8Array): IssuingDistributionPoint {
  const what = "the issuing distribution point";
  const reader = enterValue(value, what);
  let names: readonly GeneralName[] | undefined;
  if (reader.nextTag === tag.explicit(0)) {
    const name = reader.enter(tag.explicit(0), what);
    names = readDistributionPointName(name, what);
    name.end(what);
  }
  const onlyUserCertificates = isSet(reader, 1, what);
  const onlyCaCertificates = isSet(reader, 2, what);
  const onlySomeReasons = reader.nextTag === tag.implicit(3);
  if (onlySomeReasons) reader.contents(tag.implicit(3), what);
  const indirect = isSet(reader, 4, what);
  const onlyAttributeCertificates = isSet(reader, 5, what);
  reader.end(what);
  return { names, onlyUserCertificates, onlyCaCertificates, onlySomeReasons, indirect, onlyAttributeCertificates };
}

/** [n] IMPLICIT BOOLEAN DEFAULT FALSE. */
function isSet(reader: DerReader, n: number, what: string): boolean {
  if (reader.nextTag !== tag.implicit(n)) return false;
  const contents = reader.contents(tag.implicit(n), what);
  if (contents.length !== 1 || contents[0] !== 0xff) throw derMalformed(`${what} has a flag that is not DER TRUE`);
  return true;
}
