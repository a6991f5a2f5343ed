// One small document from a web server that the configuration names: an OpenID configuration or a key set. https only; no redirect is
// followed, because the configuration says where the keys are and nobody else does; bounded in time and size; no connection is kept.
import { exchange } from "../web-exchange.ts";
import { AttestError } from "./errors.ts";

export interface FetchOptions {
  /** PEM with the CAs to trust; undefined: those of the system. */
  readonly caPem: string | undefined;
  readonly maxBytes: number;
  /** For the whole exchange. */
  readonly timeoutMs: number;
  /** Tests only: plain http, and only to a loopback address. */
  readonly insecureLoopback: boolean;
}

const LOOPBACK = new Set(["127.0.0.1", "[::1]", "localhost"]);

/** Checks an address that keys may be fetched from. @throws AttestError MCA_ATTESTOR_INVALID */
export function parseKeyUrl(text: string, insecureLoopback: boolean): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain = url?.protocol === "http:" && insecureLoopback && LOOPBACK.has(url.hostname);
  if (url === undefined || (url.protocol !== "https:" && !plain)) {
    throw new AttestError("MCA_ATTESTOR_INVALID", `${JSON.stringify(text.slice(0, 200))} is no https address.`);
  }
  if (url.username !== "" || url.password !== "" || url.hash !== "") {
    throw new AttestError(
      "MCA_ATTESTOR_INVALID",
      `${url.origin}: an address of keys has no user, password or fragment.`,
    );
  }
  return url;
}

/** Fetches a text. @throws AttestError MCA_JWKS_UNAVAILABLE with what happened */
export async function fetchText(url: URL, options: FetchOptions): Promise<string> {
  // The address was checked when it was configured or discovered; this is the last guard before the socket.
  parseKeyUrl(url.href, options.insecureLoopback);
  const { caPem, maxBytes, timeoutMs } = options;
  const tls = caPem === undefined ? {} : { caPem };
  const answer = await exchange(url, { tls, accept: "application/json", maxBytes, timeoutMs });
  switch (answer.kind) {
    case "answer":
      return decode(url, answer.bytes);
    case "redirect":
    case "unchanged":
      throw unavailable(url, "answers with a redirect, which is not followed: configure the final address");
    case "failed":
      throw unavailable(url, answer.why, answer.cause);
  }
}

function decode(url: URL, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw unavailable(url, "answers with something that is not UTF-8", cause);
  }
}

function unavailable(url: URL, why: string, cause?: unknown): AttestError {
  const where = `${url.origin}${url.pathname}`;
  return new AttestError("MCA_JWKS_UNAVAILABLE", `${where} ${why}.`, cause === undefined ? {} : { cause });
}
