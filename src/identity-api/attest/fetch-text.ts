// One small document from a web server that the configuration names: an OpenID configuration or a key set. https only; no redirect is
// followed, because the configuration says where the keys are and nobody else does; bounded in time and size; no connection is kept.
import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { webClientTlsOptions } from "../../tls/index.ts";
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
  try {
    return await exchange(url, options);
  } catch (cause) {
    if (cause instanceof AttestError) throw cause;
    const aborted = cause instanceof Error && cause.name === "TimeoutError";
    const why = aborted ? `did not answer within ${options.timeoutMs} ms` : `cannot be reached (${codeOf(cause)})`;
    throw unavailable(url, why, cause);
  }
}

function exchange(url: URL, options: FetchOptions): Promise<string> {
  const signal = AbortSignal.timeout(options.timeoutMs);
  return new Promise((resolve, reject) => {
    const common = { method: "GET", headers: { accept: "application/json", "accept-encoding": "identity" }, signal };
    let request: ClientRequest;
    const answered = (response: IncomingMessage) => {
      readBody(url, response, options.maxBytes).then(resolve, (error: unknown) => {
        request.destroy();
        reject(error);
      });
    };
    if (url.protocol === "https:") {
      const agent = new Agent({ ...webClientTlsOptions(caOptions(options.caPem)), keepAlive: false });
      request = httpsRequest(url, { ...common, agent }, answered);
    } else {
      request = httpRequest(url, { ...common, agent: false }, answered);
    }
    // An abort during the body destroys the response with an AbortError; the signal knows the reason.
    request.on("error", (error) => reject(signal.aborted ? signal.reason : error));
    request.end();
  });
}

async function readBody(url: URL, response: IncomingMessage, maxBytes: number): Promise<string> {
  const { statusCode = 0 } = response;
  if (statusCode >= 300 && statusCode < 400) {
    throw unavailable(url, "answers with a redirect, which is not followed: configure the final address");
  }
  if (statusCode !== 200) throw unavailable(url, `answers with status ${statusCode}`);
  if ((response.headers["content-encoding"] ?? "identity") !== "identity") {
    throw unavailable(url, "answers compressed although that was not asked for");
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError("a response body without an encoding gives bytes");
    bytes += chunk.length;
    if (bytes > maxBytes) throw unavailable(url, `answers with more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  if (!response.complete) throw unavailable(url, "broke off in the middle of its answer");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw unavailable(url, "answers with something that is not UTF-8", cause);
  }
}

function caOptions(caPem: string | undefined): { readonly caPem?: string } {
  return caPem === undefined ? {} : { caPem };
}

function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return error instanceof Error ? error.name : "unknown";
}

function unavailable(url: URL, why: string, cause?: unknown): AttestError {
  const where = `${url.origin}${url.pathname}`;
  return new AttestError("MCA_JWKS_UNAVAILABLE", `${where} ${why}.`, cause === undefined ? {} : { cause });
}
