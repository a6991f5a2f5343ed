// What goes with a certification request to whoever signs it: the facts of the ceremony sheet, out of the request and the settings.
import { type AuthorityRequest, type AuthoritySettings, ceremonySheet, leastLifetimeSeconds } from "../ca/index.ts";
import type { TrustDomain } from "../spiffe/index.ts";
import { keyIdentifier, nameToString, parseCsr, toHex } from "../x509/index.ts";

/** A person has to come each time: a year between signatures, with months to spare, is what can be kept up. */
const YEAR_DAYS = 365;
const DAY_SECONDS = 86_400;

/** What a file may be called that stands in command lines. */
const FILE_NAME = /^[A-Za-z0-9._-]{1,64}$/;
const DEFAULT_FILE = "mesh-ca.csr";

/**
 * The sheet of one request: one page of plain text. `csrFile`: what the request's file is called where it is signed; a name that does
 * not belong into a command line is left aside.
 */
export function sheetOf(
  request: AuthorityRequest,
  trustDomain: TrustDomain,
  settings: AuthoritySettings,
  csrFile?: string,
): string {
  const { publicKey, subject } = parseCsr(request.csr);
  const minimumDays = Math.ceil(leastLifetimeSeconds(settings) / DAY_SECONDS);
  const validityDays = Math.max(YEAR_DAYS, minimumDays, Math.ceil(settings.lifetimeSeconds / DAY_SECONDS));
  return ceremonySheet({
    trustDomain: trustDomain.name,
    subject: nameToString(subject),
    keyId: toHex(keyIdentifier(publicKey)),
    csr: request.csr,
    spkiSha256: request.spkiSha256,
    requestedAt: request.createdAt,
    validityDays,
    minimumDays,
    validityArithmetic: `certificates of up to ${settings.maxLeafTtlSeconds / 3600} h need at least ${minimumDays} d; the next request comes at half of the validity (${Math.floor(validityDays / 2)} d), and its answer is needed at five sixths (${Math.floor((validityDays * 5) / 6)} d)`,
    csrFile: csrFile !== undefined && FILE_NAME.test(csrFile) ? csrFile : DEFAULT_FILE,
  });
}
