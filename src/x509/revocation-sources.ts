// Where a certificate says that its revocation can be learnt: CRL distribution points (RFC 5280 section 4.2.1.13) and the OCSP
// responders of its authority information access (section 4.2.2.1). Read when asked for, not with the certificate: a
// mistake in them keeps nobody out. The addresses are text from the certificate; whether to ask them is for the caller.
import { type DerReader, derMalformed } from "./der/reader.ts";
import { tag } from "./der/tags.ts";
import { mapDerErrors } from "./errors.ts";
import { enterValue } from "./extensions.ts";
import { readGeneralName } from "./general-name.ts";
import { oid } from "./oids.ts";
import type { Certificate, GeneralName } from "./types.ts";

/** One place where one CRL can be had. */
export interface DistributionPoint {
  /** The names of the point; several URIs are ways to the same CRL. Empty where it is named relative to its issuer. */
  readonly names: readonly GeneralName[];
  /** The CRL covers only some reasons. */
  readonly someReasons: boolean;
  /** Another than the certificate's issuer signs the CRL (an indirect CRL). */
  readonly indirect: boolean;
}

const MAX_ENTRIES = 32;

/** DistributionPointName, entered; no names where it is relative to the CRL's issuer. DER errors keep their code. */
export function readDistributionPointName(reader: DerReader, what: string): readonly GeneralName[] {
  if (reader.nextTag === tag.explicit(1)) {
    reader.element(tag.explicit(1), what);
    return [];
  }
  const list = reader.enter(tag.explicit(0), what);
  const names: GeneralName[] = [];
  do {
    names.push(readGeneralName(list, what));
    if (names.length > MAX_ENTRIES) throw derMalformed(`${what} have more than ${MAX_ENTRIES} names`);
  } while (!list.isDone);
  return names;
}

/**
 * The CRL distribution points of a certificate; none where it has no such extension.
 * @throws X509Error MCA_CERTIFICATE_MALFORMED
 */
export function crlDistributionPoints(certificate: Certificate): readonly DistributionPoint[] {
  const value = certificate.extensions.find((extension) => extension.oid === oid.crlDistributionPoints)?.value;
  if (value === undefined) return [];
  const what = "the CRL distribution points";
  return mapDerErrors("MCA_CERTIFICATE_MALFORMED", "The certificate", () => {
    const list = enterValue(value, what);
    const points: DistributionPoint[] = [];
    do {
      points.push(readPoint(list.enter(tag.sequence, what), what));
      if (points.length > MAX_ENTRIES) throw derMalformed(`${what} are more than ${MAX_ENTRIES}`);
    } while (!list.isDone);
    return points;
  });
}

function readPoint(reader: DerReader, what: string): DistributionPoint {
  let names: readonly GeneralName[] = [];
  if (reader.nextTag === tag.explicit(0)) {
    const name = reader.enter(tag.explicit(0), what);
    names = readDistributionPointName(name, what);
    name.end(what);
  }
  const someReasons = reader.nextTag === tag.implicit(1);
  if (someReasons) reader.contents(tag.implicit(1), what);
  const indirect = reader.nextTag === tag.explicit(2);
  if (indirect) reader.element(tag.explicit(2), what);
  reader.end(what);
  return { names, someReasons, indirect };
}

/**
 * The OCSP responders of a certificate, as written in it; none where it has no such extension. Other access methods
 * (caIssuers) are skipped: a chain is given, never fetched.
 * @throws X509Error MCA_CERTIFICATE_MALFORMED
 */
export function ocspResponders(certificate: Certificate): readonly string[] {
  const value = certificate.extensions.find((extension) => extension.oid === oid.authorityInfoAccess)?.value;
  if (value === undefined) return [];
  const what = "the authority information access";
  return mapDerErrors("MCA_CERTIFICATE_MALFORMED", "The certificate", () => {
    const list = enterValue(value, what);
    const found: string[] = [];
    let entries = 0;
    do {
      const access = list.enter(tag.sequence, what);
      const method = access.oid(what);
      const location = readGeneralName(access, what);
      access.end(what);
      if (method === oid.ocsp && location.kind === "uri") found.push(location.value);
      if (++entries > MAX_ENTRIES) throw derMalformed(`${what} has more than ${MAX_ENTRIES} entries`);
    } while (!list.isDone);
    return found;
  });
}
