// What a workload shows for its first identity, read at the moment that it is needed, because files of evidence rotate.
// A secret read here goes into one request over a verified connection and nowhere else.
import { readFile } from "node:fs/promises";
import { type JoinToken, parseJoinToken } from "../spiffe/index.ts";
import type { TlsIdentity } from "../tls/index.ts";
import { decodePem, parseCertificate, toHex } from "../x509/index.ts";
import { IdentityClientError } from "./errors.ts";
import type { EnterpriseCertificateSource, JwtSource, SecretSource, SvidSourceOptions } from "./options.ts";

/** Where evidence is to be had from, if anywhere. */
export type EvidenceSource =
  | { readonly kind: "join-token"; readonly source: SecretSource }
  | { readonly kind: "jwt"; readonly source: JwtSource }
  | { readonly kind: "certificate"; readonly source: EnterpriseCertificateSource }
  | { readonly kind: "none" };

/** Evidence in hand. `fingerprint` names it without revealing it: the same evidence has the same one. */
export type Evidence =
  | { readonly kind: "join-token"; readonly token: JoinToken; readonly text: string; readonly fingerprint: string }
  | { readonly kind: "jwt"; readonly text: string; readonly attestor: string; readonly fingerprint: string }
  | { readonly kind: "certificate"; readonly identity: TlsIdentity; readonly fingerprint: string };

const MAX_FILE_BYTES = 64 * 1024;

/** Which evidence the options name. @throws IdentityClientError MCA_CLIENT_OPTIONS if more than one */
export function evidenceSource(options: SvidSourceOptions): EvidenceSource {
  const named: EvidenceSource[] = [];
  if (options.joinToken !== undefined) named.push({ kind: "join-token", source: options.joinToken });
  if (options.jwt !== undefined) named.push({ kind: "jwt", source: options.jwt });
  if (options.certificate !== undefined) named.push({ kind: "certificate", source: options.certificate });
  if (named.length > 1) {
    throw new IdentityClientError(
      "MCA_CLIENT_OPTIONS",
      "Give one kind of evidence: joinToken, jwt or certificate, not several.",
    );
  }
  return named[0] ?? { kind: "none" };
}

/**
 * Reads the evidence.
 * @throws IdentityClientError MCA_CLIENT_FILE, MCA_CLIENT_EVIDENCE_MISSING
 * @throws SpiffeError MCA_TOKEN_MALFORMED
 */
export async function readEvidence(source: EvidenceSource): Promise<Evidence> {
  switch (source.kind) {
    case "join-token": {
      const text = await readSecret(source.source, "join token");
      const token = parseJoinToken(text);
      return { kind: "join-token", token, text, fingerprint: `join-token:${toHex(token.secretSha256)}` };
    }
    case "jwt": {
      const text = await readSecret({ file: source.source.file }, "JWT");
      return { kind: "jwt", text, attestor: source.source.attestor ?? "", fingerprint: "jwt" };
    }
    case "certificate": {
      const certificateChainPem = await readText(source.source.certificateFile, "certificate");
      const privateKeyPem = await readText(source.source.keyFile, "key of the certificate");
      const leaf = decodePem(certificateChainPem)[0];
      if (leaf === undefined) throw unusable(source.source.certificateFile, "certificate", "it holds no PEM block");
      const { notAfter, sha256 } = parseCertificate(leaf.der);
      return {
        kind: "certificate",
        identity: { certificateChainPem, privateKeyPem, notAfter },
        fingerprint: `certificate:${sha256}`,
      };
    }
    case "none":
      throw new IdentityClientError(
        "MCA_CLIENT_EVIDENCE_MISSING",
        "There is no identity to renew and no evidence to enrol with. Name a join token, a JWT file or a certificate.",
      );
  }
}

async function readSecret(source: SecretSource, what: string): Promise<string> {
  const text = source.file === undefined ? source.text : await readText(source.file, what);
  const trimmed = text.trim();
  if (trimmed === "") throw unusable(source.file ?? "the given text", what, "it is empty");
  return trimmed;
}

/** Reads a small text file that the options name. @throws IdentityClientError MCA_CLIENT_FILE */
export async function readText(file: string, what: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    const why = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown reason";
    throw unusable(file, what, `it cannot be read (${why})`, cause);
  }
  if (bytes.length > MAX_FILE_BYTES) throw unusable(file, what, "it is larger than 64 KiB");
  return bytes.toString("utf8");
}

function unusable(file: string, what: string, why: string, cause?: unknown): IdentityClientError {
  return new IdentityClientError(
    "MCA_CLIENT_FILE",
    `The ${what} in ${file} cannot be used: ${why}. Check the path and its permissions.`,
    {
      cause,
    },
  );
}
