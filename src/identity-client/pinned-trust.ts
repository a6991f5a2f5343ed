// The first half of joining by token: learn who the server is without telling it anything.
// The connection made here is to somebody unverified. It asks for the public trust and sends nothing else: no token, no CSR, no
// certificate. Of the answer only authorities whose key the token pins are believed; the rest is thrown away.

import type { WatchTrustResponse } from "../proto/gen/meshca/identity/v1/identity.ts";
import { type JoinToken, type TrustSet, X509SvidVerifier } from "../spiffe/index.ts";
import { IdentityClientError } from "./errors.ts";
import { ServerLink } from "./server-link.ts";
import { readSnapshot } from "./trust-messages.ts";

export interface PinnedTrustOptions {
  readonly address: string;
  readonly token: JoinToken;
  /** What was known before: a key that is distrusted stays so, whatever the token pins. */
  readonly known: TrustSet | undefined;
  readonly callTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The trust that the token's pins vouch for: enough to verify the server, and nobody else is in it.
 * @throws IdentityClientError MCA_SERVER_UNAVAILABLE, MCA_SERVER_UNTRUSTED, MCA_SERVER_ANSWER_INVALID
 */
export async function fetchPinnedTrust({
  address,
  token,
  known,
  callTimeoutMs,
  signal,
}: PinnedTrustOptions): Promise<TrustSet> {
  const link = new ServerLink({ address, judge: () => {}, callTimeoutMs });
  try {
    const message = await firstMessage(link, callTimeoutMs, signal);
    if (message.update?.$case !== "snapshot") {
      throw new IdentityClientError(
        "MCA_SERVER_ANSWER_INVALID",
        `The server at ${address} did not begin with a snapshot of its trust. Check that it is a mesh-ca server of this version.`,
      );
    }
    return pinned(message.update.value, { address, token, known });
  } finally {
    link.close();
  }
}

function pinned(
  message: Parameters<typeof readSnapshot>[0],
  { token, address, known }: Pick<PinnedTrustOptions, "token" | "address" | "known">,
): TrustSet {
  const snapshot = readSnapshot(message, token.trustDomain);
  const pins = new Set(token.pins);
  const authorities = snapshot.authorities
    .map(({ certificate }) => certificate)
    .filter((certificate) => pins.has(certificate.publicKey.spkiSha256));
  if (authorities.length === 0) {
    throw new IdentityClientError(
      "MCA_SERVER_UNTRUSTED",
      `The server at ${address} has none of the authorities that the join token pins. The token was not sent. Check the address; if the authority was replaced, ask for a new token.`,
    );
  }
  const trust: TrustSet = {
    trustDomain: token.trustDomain,
    // The pins are the trust: what stands above a pinned authority was told by somebody unverified.
    anchors: authorities,
    authorities,
    intermediates: [],
    distrustedSpkis: known?.distrustedSpkis ?? new Set(),
    revocations: [],
    sequence: 0n,
    revision: 0n,
    refreshHintSeconds: snapshot.refreshHintSeconds,
  };
  return new X509SvidVerifier(trust).trust;
}

function firstMessage(link: ServerLink, timeoutMs: number, signal?: AbortSignal): Promise<WatchTrustResponse> {
  return new Promise((resolve, reject) => {
    const stream = link.watchTrust();
    const stop = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      stream.cancel();
    };
    const abort = (): void => {
      stop();
      reject(new IdentityClientError("MCA_CLIENT_CLOSED", "The enrolment was called off."));
    };
    const timer = setTimeout(() => {
      stop();
      reject(
        new IdentityClientError(
          "MCA_SERVER_UNAVAILABLE",
          `The server at ${link.address} did not tell its trust within ${timeoutMs / 1_000} s. Check that it runs and that the address is right.`,
        ),
      );
    }, timeoutMs);
    stream.once("data", (message: WatchTrustResponse) => {
      stop();
      resolve(message);
    });
    stream.on("error", (error) => {
      stop();
      reject(link.explain(error));
    });
    stream.once("end", () => {
      stop();
      reject(link.explain(new Error("the stream ended")));
    });
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
  });
}
