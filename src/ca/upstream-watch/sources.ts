// Which addresses to ask about a chain: the CRL distribution points and OCSP responders that its certificates name, the authority's and
// each intermediate's. The addresses were signed by the enterprise, and still: only http and https, no credentials, a
// bounded number. What is not asked is said, never dropped silently.
import {
  type Certificate,
  crlDistributionPoints,
  type DistributionPoint,
  ocspResponders,
  X509Error,
} from "../../x509/index.ts";
import type { SourceKind, WatchedChain } from "./types.ts";

/** One address about one certificate. */
export type Source =
  | {
      readonly kind: SourceKind;
      readonly url: string;
      readonly certificate: Certificate;
      readonly issuer: Certificate;
      readonly anchor: Certificate;
      /** Of a CRL: the distribution point that names the address. */
      readonly point: DistributionPoint | undefined;
      readonly asked: true;
    }
  | {
      readonly kind: SourceKind;
      readonly url: string;
      readonly certificate: Certificate;
      readonly asked: false;
      /** Why it is not asked, a sentence. */
      readonly sentence: string;
    };

/** For each certificate and kind; real certificates name one or two. */
const MAX_ADDRESSES = 8;
const MAX_URL_CHARACTERS = 2048;

/** Every address that the certificates below the anchor name. */
export function sourcesOf(chain: WatchedChain): readonly Source[] {
  const { certificate, intermediates, anchor } = chain;
  const path = [certificate, ...intermediates];
  return path.flatMap((each, i) => {
    // A self-signed authority is its own anchor, and nobody revokes an anchor.
    if (each.sha256 === anchor.sha256) return [];
    const common = { certificate: each, issuer: path[i + 1] ?? anchor, anchor };
    return [
      ...bounded("crl", each, () =>
        crlDistributionPoints(each).flatMap((point) =>
          point.names.flatMap((name) => (name.kind === "uri" ? [{ ...common, address: name.value, point }] : [])),
        ),
      ),
      ...bounded("ocsp", each, () => ocspResponders(each).map((address) => ({ ...common, address, point: undefined }))),
    ];
  });
}

interface Named {
  readonly certificate: Certificate;
  readonly issuer: Certificate;
  readonly anchor: Certificate;
  readonly address: string;
  readonly point: DistributionPoint | undefined;
}

function bounded(kind: SourceKind, certificate: Certificate, list: () => readonly Named[]): readonly Source[] {
  const unasked = (url: string, sentence: string): Source => ({ kind, url, certificate, asked: false, sentence });
  let named: readonly Named[];
  try {
    named = list();
  } catch (error) {
    if (!(error instanceof X509Error)) throw error;
    return [unasked("", `Its revocation is not asked for here: ${error.message}`)];
  }
  const first = named.slice(0, MAX_ADDRESSES).map(({ address, ...rest }): Source => {
    const checked = checkAddress(address);
    if (checked.kind === "refused") return unasked(shown(address), checked.sentence);
    return { kind, url: checked.url, asked: true, ...rest };
  });
  if (named.length <= MAX_ADDRESSES) return first;
  const more = `${named.length - MAX_ADDRESSES} more addresses are not asked: ${MAX_ADDRESSES} of a kind are enough.`;
  return [...first, unasked("", more)];
}

/** Printable, whatever the certificate says. */
function shown(address: string): string {
  return JSON.stringify(address.slice(0, 200)).slice(1, -1);
}

function checkAddress(
  address: string,
): { readonly kind: "asked"; readonly url: string } | { readonly kind: "refused"; readonly sentence: string } {
  const refused = (sentence: string) => ({ kind: "refused", sentence }) as const;
  if (address.length > MAX_URL_CHARACTERS || !URL.canParse(address)) {
    return refused("This is no address that can be asked.");
  }
  const url = new URL(address);
  if (url.protocol === "ldap:" || url.protocol === "ldaps:") {
    return refused("LDAP is not asked. Publish the CRL by http as well, and name that address in the certificate.");
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return refused(`Only http and https are asked, not ${url.protocol}`);
  }
  if (url.username !== "" || url.password !== "") return refused("An address with a user or a password is not asked.");
  url.hash = "";
  return { kind: "asked", url: url.href };
}
