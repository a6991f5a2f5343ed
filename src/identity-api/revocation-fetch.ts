// How CRLs and OCSP responses of our own chain are fetched (src/ca/upstream-watch asks; `ca` knows no transport). Plain http is the rule
// for them: they are signed, and https is no better than its certificate. What is guarded here is this server:
//   - only http and https, no credentials, and no link-local or metadata address, whatever name it hides behind. Other private and
//     loopback addresses are allowed, because that is where enterprises publish; the enterprise signed the address.
//   - redirects are for whoever controls the network: only to the same host and its default ports, two at most, never for a POST
//   - bytes, time and silence are bounded; nothing compressed is read
import { type LookupAddress, type LookupAllOptions, lookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import type { RevocationAnswer, RevocationFetch, RevocationRequest } from "../ca/index.ts";
import { encodePem } from "../x509/index.ts";
import { exchange, type WebRequest } from "./web-exchange.ts";

/** Bounds in time, and who resolves names; parameters for tests. */
export interface RevocationFetchOptions {
  readonly crlTimeoutMs: number;
  readonly ocspTimeoutMs: number;
  /** Without any traffic. */
  readonly silenceMs: number;
  readonly resolve: (hostname: string, options: LookupAllOptions, callback: ResolveCallback) => void;
}

type ResolveCallback = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void;

const DEFAULTS: RevocationFetchOptions = {
  crlTimeoutMs: 120_000,
  ocspTimeoutMs: 15_000,
  silenceMs: 10_000,
  resolve: lookup,
};
const MAX_REDIRECTS = 2;

/** Nothing is published there; cloud metadata services are. */
const forbidden = new BlockList();
forbidden.addSubnet("0.0.0.0", 8, "ipv4");
forbidden.addSubnet("169.254.0.0", 16, "ipv4");
forbidden.addSubnet("224.0.0.0", 3, "ipv4");
forbidden.addAddress("100.100.100.200", "ipv4");
// Oracle's and Azure's, which lie elsewhere.
forbidden.addAddress("192.0.0.192", "ipv4");
forbidden.addAddress("168.63.129.16", "ipv4");
forbidden.addAddress("::", "ipv6");
forbidden.addSubnet("fe80::", 10, "ipv6");
forbidden.addSubnet("ff00::", 8, "ipv6");
forbidden.addAddress("fd00:ec2::254", "ipv6");
// The same by NAT64 and 6to4, which lead to the IPv4 address that they hold.
forbidden.addSubnet("64:ff9b::a9fe:0", 112, "ipv6");
forbidden.addAddress("64:ff9b::a83f:8110", "ipv6");
forbidden.addAddress("64:ff9b::6464:64c8", "ipv6");
forbidden.addSubnet("2002:a9fe::", 32, "ipv6");

const FORBIDDEN = "lies at a link-local or metadata address, which is not asked";

function isForbidden(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && forbidden.check(address, family === 6 ? "ipv6" : "ipv4");
}

/** Resolves names, and gives no address that is not to be asked: what was looked at is what is connected to. */
function guarded(resolve: RevocationFetchOptions["resolve"]): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error !== null) callback(error, "");
      else if (first === undefined || addresses.some(({ address }) => isForbidden(address))) {
        callback(Object.assign(new Error(FORBIDDEN), { code: "link-local or metadata address" }), "");
      } else if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

/** Makes the function that asks one address of a certificate; it never rejects. */
export function createRevocationFetch(changes: Partial<RevocationFetchOptions> = {}): RevocationFetch {
  const options = { ...DEFAULTS, ...changes };
  const lookUp = guarded(options.resolve);
  return async (address, request) => {
    let url = new URL(address);
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      // No name is looked up for an address that is written as a number.
      if (isForbidden(url.hostname.replace(/^\[|\]$/g, ""))) return { kind: "failed", why: FORBIDDEN };
      const answer = await exchange(url, webRequest(request, options, lookUp));
      if (answer.kind !== "redirect") return plain(answer);
      const next = redirectTarget(url, answer.location, request);
      if (next === undefined) {
        return {
          kind: "failed",
          why: "answers with a redirect to another host, or of a POST, which is not followed: whoever answers could send this server anywhere",
        };
      }
      url = next;
    }
    return { kind: "failed", why: `redirects more than ${MAX_REDIRECTS} times` };
  };
}

function webRequest(request: RevocationRequest, options: RevocationFetchOptions, lookUp: LookupFunction): WebRequest {
  const { kind, maxBytes, body, validator, anchor, signal } = request;
  return {
    // An enterprise's web server often has a certificate of the enterprise. The answer proves itself in any case.
    tls: { additionalCaPem: encodePem("CERTIFICATE", anchor.der) },
    accept: kind === "crl" ? "application/pkix-crl, */*;q=0.1" : "application/ocsp-response",
    ...(body === undefined ? {} : { body: { bytes: body, contentType: "application/ocsp-request" } }),
    ...(validator === undefined ? {} : { validator }),
    maxBytes,
    timeoutMs: kind === "crl" ? options.crlTimeoutMs : options.ocspTimeoutMs,
    idleTimeoutMs: options.silenceMs,
    lookup: lookUp,
    signal,
  };
}

function plain(answer: Exclude<Awaited<ReturnType<typeof exchange>>, { kind: "redirect" }>): RevocationAnswer {
  return answer.kind === "failed" ? { kind: "failed", why: answer.why } : answer;
}

/** The same host, by the same port or by a default one: http to https is all that is in use. */
function redirectTarget(from: URL, location: string, request: RevocationRequest): URL | undefined {
  if (request.body !== undefined || !URL.canParse(location, from.href)) return undefined;
  const to = new URL(location, from.href);
  const web = to.protocol === "http:" || to.protocol === "https:";
  const clean = to.username === "" && to.password === "";
  const port = to.port === "" || (to.port === from.port && to.protocol === from.protocol);
  return web && clean && port && to.hostname === from.hostname ? to : undefined;
}
