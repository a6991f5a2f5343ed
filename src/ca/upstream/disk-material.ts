// What the upstream "disk" signs with: an issuing CA with its path to a root and its key. Read together and judged as a whole,
// so that half of a replacement is never used.
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { TrustDomain } from "../../spiffe/index.ts";
import { type Certificate, labelOf, parseCertificate, sha256Hex, surveyCaPath } from "../../x509/index.ts";
import type { Signer } from "../keys/index.ts";
import { assembleAnswer } from "./assemble.ts";
import { type DiskKeyFile, openDiskKey, readDiskKey } from "./disk-key.ts";
import { UpstreamError } from "./errors.ts";
import { type Finding, findingToString } from "./finding.ts";
import { type DnsGrant, nameFindings } from "./name-permissions.ts";
import { isSelfIssued } from "./path-search.ts";
import { readCertificates } from "./read-certificates.ts";

/** Where the files are. */
export interface DiskFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly passphraseFile?: string | undefined;
}

/** The files as they were at one moment. */
export interface DiskContents {
  readonly certificates: Uint8Array;
  readonly key: DiskKeyFile;
  /** Differs where any of the files differs. */
  readonly fingerprint: string;
}

/** An issuing CA that can sign. */
export interface DiskMaterial {
  /** Issuing CA first, root last. */
  readonly path: readonly [Certificate, ...Certificate[]];
  readonly signer: Signer;
  /** When the first of the path ends, Unix milliseconds. */
  readonly endsAt: number;
}

const MAX_CERTIFICATE_BYTES = 1024 * 1024;
const MAX_IN_SENTENCE = 4;
const PURPOSES = ["serverAuth", "clientAuth"] as const;

/** Reads the files. @throws UpstreamError MCA_UPSTREAM_FILES_UNUSABLE, KeyError */
export async function readDiskFiles(files: DiskFiles): Promise<DiskContents> {
  const certificates = await readPublicFile(files.certificateFile);
  const key = await readDiskKey(files.keyFile, files.passphraseFile);
  const passphrase = key.passphrase?.use((bytes) => createHash("sha256").update(bytes).digest("hex")) ?? "";
  const fingerprint = createHash("sha256")
    .update(`${sha256Hex(certificates)} ${passphrase} `)
    .update(key.text)
    .digest("hex");
  return { certificates, key, fingerprint };
}

/** Opens the key and finds its certificate and path. @throws UpstreamError MCA_UPSTREAM_FILES_UNUSABLE, KeyError */
export async function openDiskMaterial(contents: DiskContents, files: DiskFiles): Promise<DiskMaterial> {
  const imported = readCertificates([{ name: files.certificateFile, bytes: contents.certificates }]);
  const signer = await openDiskKey(contents.key);
  if (!imported.some(({ certificate }) => certificate.publicKey.spkiSha256 === signer.spkiSha256)) {
    const names = imported.map(({ certificate }) => `"${labelOf(certificate)}"`).slice(0, MAX_IN_SENTENCE);
    throw unusable(
      `The key in ${files.keyFile} (${signer.spkiSha256}) belongs to no certificate in ${files.certificateFile} (${names.join(", ")}). Replace both files together`,
    );
  }
  const assembly = assembleAnswer(imported, { requested: [signer.spkiSha256], knownAnchors: [] });
  if (assembly.kind === "refused") throw refused(files, assembly.findings);
  const { certificate, intermediates, anchor } = assembly.answer;
  const issuing = parseCertificate(certificate);
  const root = parseCertificate(anchor);
  const above = issuing.sha256 === root.sha256 ? [] : [...intermediates.map((der) => parseCertificate(der)), root];
  const path: [Certificate, ...Certificate[]] = [issuing, ...above];
  return { path, signer, endsAt: Math.min(...path.map(({ notAfter }) => notAfter)) };
}

/** Names that the authorities will sign for, where they are known. */
export interface DiskNames {
  readonly trustDomain?: TrustDomain | undefined;
  readonly dnsGrants?: (() => readonly DnsGrant[]) | undefined;
}

/**
 * Whether an authority that this CA signs now could be accepted.
 * @throws UpstreamError MCA_UPSTREAM_FILES_UNUSABLE with every finding
 */
export function requireUsable(material: DiskMaterial, files: DiskFiles, now: number, names: DiskNames): void {
  const { path } = material;
  const findings: Finding[] = surveyCaPath(path, now, PURPOSES).map((error) => ({
    severity: "error",
    ...error.finding,
  }));
  findings.push(...caFindings(path));
  if (names.trustDomain !== undefined) {
    const grants = names.dnsGrants?.() ?? [];
    findings.push(...nameFindings(path, names.trustDomain, grants, labelOf));
  }
  const errors = findings.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw refused(files, errors);
}

/** What the issuing CA must be beyond a CA: one that may sign another CA. */
function* caFindings(path: DiskMaterial["path"]): Generator<Finding> {
  const [issuing] = path;
  const error = (certificate: Certificate, rule: string, found: string, expected: string): Finding => ({
    severity: "error",
    certificate: labelOf(certificate),
    rule,
    found,
    expected,
  });
  const { left, limiting } = roomBeneath(path);
  if (left < 1) {
    const found = `the path length ${limiting.basicConstraints?.pathLength}, which leaves no room for a CA beneath "${labelOf(issuing)}"`;
    yield error(limiting, "path-length", found, "room for one more CA: mesh-ca's authority");
  }
  const root = path[path.length - 1] ?? issuing;
  if (!isSelfIssued(root)) yield error(root, "root", "a CA that another one issued", "a self-signed root");
}

/** How many CAs may follow beneath a path, and who says so (RFC 5280 section 6.1.4 (l), (m)). */
function roomBeneath(path: DiskMaterial["path"]): { readonly left: number; readonly limiting: Certificate } {
  let left = Number.POSITIVE_INFINITY;
  let [limiting] = path;
  for (const [i, certificate] of [...path].reverse().entries()) {
    if (i > 0 && !isSelfIssued(certificate)) left--;
    const own = certificate.basicConstraints?.pathLength ?? Number.POSITIVE_INFINITY;
    if (own < left) {
      left = own;
      limiting = certificate;
    }
  }
  return { left, limiting };
}

async function readPublicFile(path: string): Promise<Uint8Array> {
  try {
    // Without waiting for a writer, where somebody has put a pipe.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const found = await file.stat();
      const { size } = found;
      if (!found.isFile())
        throw unusable(`${path} is not a plain file. Mount the issuing CA's certificate itself there`);
      if (size > MAX_CERTIFICATE_BYTES)
        throw unusable(`${path} has ${size} octets; at most ${MAX_CERTIFICATE_BYTES} are read`);
      return new Uint8Array(await file.readFile());
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof UpstreamError) throw error;
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    throw unusable(
      `${path} cannot be read (${code}). Mount the issuing CA's certificate with its path and root`,
      error,
    );
  }
}

function refused(files: DiskFiles, findings: readonly Finding[]): UpstreamError {
  const errors = findings.filter(({ severity }) => severity === "error");
  const shown = errors.slice(0, MAX_IN_SENTENCE).map(findingToString).join(". ");
  const more = errors.length > MAX_IN_SENTENCE ? ` And ${errors.length - MAX_IN_SENTENCE} more` : "";
  return unusable(
    `The issuing CA in ${files.certificateFile} cannot sign authorities: ${shown}.${more}`.replace(/\.$/, ""),
    undefined,
    findings,
  );
}

function unusable(sentence: string, cause?: unknown, findings: readonly Finding[] = []): UpstreamError {
  return new UpstreamError("MCA_UPSTREAM_FILES_UNUSABLE", `${sentence}.`, { cause, findings });
}
