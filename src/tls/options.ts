// The one maker of TLS options (invariant 6). Each function returns complete options, for the first use and for every rotation:
// setSecureContext replaces everything, so that one forgotten member would bring back session tickets or TLS 1.2.
// No function here may take or return `session`, `ticketKeys`, `newSession`, `resumeSession` or `checkServerIdentity`.
import { constants } from "node:crypto";
import type { AgentOptions } from "node:https";
import {
  type CommonConnectionOptions,
  type ConnectionOptions,
  createSecureContext,
  getCACertificates,
  type SecureContextOptions,
  type TlsOptions,
} from "node:tls";
import type { TlsIdentity } from "./identity.ts";
import { unusableIdentity } from "./refusal-errors.ts";

/** TLS 1.3, unless a listener names foreign clients that cannot. */
export type MinVersion = "TLSv1.2" | "TLSv1.3";

export interface TlsOptionParameters {
  /** Application protocols in order of preference; empty: no ALPN. */
  readonly alpn: readonly string[];
  /** Default TLSv1.3. */
  readonly minVersion?: MinVersion | undefined;
}

/** Key exchange is post-quantum wherever the peer can (X25519MLKEM768), and never below 128 bits. */
const GROUPS = "X25519MLKEM768:X25519:P-256:P-384";

/** All of TLS 1.3, and of TLS 1.2 only forward secrecy with authenticated encryption. (Mozilla's intermediate 5.8 has the same set.) */
const CIPHERS = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_GCM_SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
].join(":");

/** A resumed session skips every check of the peer, so there is none to resume. */
const SECURE_OPTIONS = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;

/**
 * The complete options of a server that asks for a client certificate and leaves the verdict to us. With an empty `ca` nobody
 * is authorized by OpenSSL, and the whole presented chain stays visible.
 */
export function serverTlsOptions(identity: TlsIdentity, parameters: TlsOptionParameters): TlsOptions {
  return {
    ...meshContext(identity, parameters.minVersion),
    ...peerOptions(parameters.alpn),
    honorCipherOrder: true,
    requestCert: true,
  };
}

/**
 * The complete options of a server for foreign web clients (SPIFFE Federation): it never asks for a client certificate (F-4), takes
 * TLS 1.2 and 1.3, and lets the client choose among ciphers that are all good: Mozilla's "intermediate" configuration, 5.8 (F-1).
 */
export function webServerTlsOptions(
  identity: TlsIdentity,
  parameters: Omit<TlsOptionParameters, "minVersion">,
): TlsOptions {
  return {
    ...meshContext(identity, "TLSv1.2"),
    ...peerOptions(parameters.alpn),
    honorCipherOrder: false,
    requestCert: false,
  };
}

/**
 * The complete options of a client that judges the server itself; without an identity it shows no certificate.
 * Whoever connects with them must verify the presented chain and destroy the socket of a resumed session.
 */
export function clientTlsOptions(
  identity: TlsIdentity | undefined,
  parameters: TlsOptionParameters,
): ConnectionOptions {
  return { ...meshContext(identity, parameters.minVersion), ...peerOptions(parameters.alpn) };
}

export interface WebClientParameters {
  /** The name that the server's certificate must carry; default: the host that is connected to. */
  readonly servername?: string;
  /** PEM; only these CAs are trusted. Default: those that come with Node. */
  readonly caPem?: string;
  /** PEM; trusted beside those that come with Node. */
  readonly additionalCaPem?: string;
}

/**
 * Options for plain web servers (a JWKS URL, OIDC discovery), where Node itself verifies chain and name. Without resumption,
 * because a resumed session skips the check of the name.
 */
export function webClientTlsOptions(parameters: WebClientParameters = {}): AgentOptions {
  return {
    ...context("TLSv1.2"),
    ...(parameters.caPem === undefined ? {} : { ca: parameters.caPem }),
    ...(parameters.additionalCaPem === undefined
      ? {}
      : { ca: [...getCACertificates("default"), parameters.additionalCaPem] }),
    ...(parameters.servername === undefined ? {} : { servername: parameters.servername }),
    rejectUnauthorized: true,
    maxCachedSessions: 0,
  };
}

/**
 * Whether OpenSSL takes an identity, before anything depends on it.
 * @throws TlsError MCA_TLS_IDENTITY_INVALID: unreadable, not a pair, or a key that is too weak
 */
export function requireUsableIdentity(identity: TlsIdentity): void {
  try {
    createSecureContext(meshContext(identity));
  } catch (error) {
    throw unusableIdentity(error);
  }
}

function meshContext(identity: TlsIdentity | undefined, minVersion: MinVersion = "TLSv1.3"): SecureContextOptions {
  // OpenSSL takes an empty text for "none", and would then fail every handshake instead.
  if (identity !== undefined && (identity.certificateChainPem === "" || identity.privateKeyPem === "")) {
    throw new RangeError("the certificate or the key is empty");
  }
  return {
    ...context(minVersion),
    ...(identity === undefined ? {} : { cert: identity.certificateChainPem, key: identity.privateKeyPem }),
    ca: [],
  };
}

function context(minVersion: MinVersion): SecureContextOptions {
  return { minVersion, maxVersion: "TLSv1.3", secureOptions: SECURE_OPTIONS, ecdhCurve: GROUPS, ciphers: CIPHERS };
}

function peerOptions(alpn: readonly string[]): CommonConnectionOptions {
  return { rejectUnauthorized: false, ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }) };
}
