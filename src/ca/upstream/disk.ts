// The upstream "disk": an issuing CA's certificate and key on disk sign our intermediate authorities. The files may be
// replaced at any time: they are read again before each use and whenever `refresh` is called. What is half written, does not
// belong together or may not sign authorities never replaces what worked; it is said loudly, once for each fault.
import { type Clock, formatTime, type Logger, MeshCaError } from "../../runtime/index.ts";
import type { TrustDomain } from "../../spiffe/index.ts";
import {
  algorithmIdentifier,
  encodeCertificate,
  encodeTbsCertificate,
  keyIdentifier,
  labelOf,
  parseSubjectPublicKeyInfo,
} from "../../x509/index.ts";
import { authorityExtensions, authorityName, authoritySerial } from "./authority-template.ts";
import {
  type DiskContents,
  type DiskFiles,
  type DiskMaterial,
  openDiskMaterial,
  readDiskFiles,
  requireUsable,
} from "./disk-material.ts";
import { UpstreamError } from "./errors.ts";
import type { DnsGrant } from "./name-permissions.ts";
import type { OnlineUpstream, UpstreamAnswer, UpstreamRequest } from "./upstream.ts";

export interface DiskUpstreamOptions {
  /** The issuing CA's certificate, its intermediates and its root: PEM, DER or PKCS#7, in any order. */
  readonly certificateFile: string;
  /** Its private key, PEM: PKCS#8 (encrypted or not), EC or RSA. */
  readonly keyFile: string;
  /** Holds the passphrase of an encrypted key, one line. */
  readonly passphraseFile?: string | undefined;
  /** Given: name constraints of the chain are judged when the files are read, not only when an authority is made. */
  readonly trustDomain?: TrustDomain;
  readonly dnsGrants?: () => readonly DnsGrant[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Whether the files can sign an authority now. */
export type DiskUpstreamHealth =
  | { readonly kind: "good" /** Subject of the issuing CA. */; readonly certificate: string; readonly endsAt: number }
  | { readonly kind: "problem"; readonly sentence: string; readonly usingLastGood: boolean };

type Opened =
  | { readonly kind: "material"; readonly fingerprint: string; readonly material: DiskMaterial }
  | { readonly kind: "unusable"; readonly fingerprint: string; readonly error: MeshCaError };

/** Signs authorities with an issuing CA on disk. Replaced files are noticed; bad ones never replace good ones. */
export class DiskUpstream implements OnlineUpstream {
  readonly kind = "disk";
  readonly answersAtOnce = true;
  readonly #options: DiskUpstreamOptions;
  readonly #files: DiskFiles;
  /** What the files came to when they were last different. */
  #opened: Opened | undefined;
  #good: DiskMaterial | undefined;
  #problem: MeshCaError | undefined;
  #refreshing: Promise<void> = Promise.resolve();

  private constructor(options: DiskUpstreamOptions) {
    this.#options = options;
    const { certificateFile, keyFile, passphraseFile } = options;
    this.#files = { certificateFile, keyFile, passphraseFile };
  }

  /** Reads the files. Unusable ones are no error here: `health()` says it, and `certify` throws. */
  static async open(options: DiskUpstreamOptions): Promise<DiskUpstream> {
    const upstream = new DiskUpstream(options);
    await upstream.refresh();
    return upstream;
  }

  /** Looks at the files again. What is wrong with them is in `health()` and in the log, not thrown. */
  refresh(): Promise<void> {
    this.#refreshing = this.#refreshing.then(() => this.#look());
    return this.#refreshing;
  }

  health(): DiskUpstreamHealth {
    const good = this.#good;
    const usingLastGood = good !== undefined && this.#options.clock.now() < good.endsAt;
    if (this.#problem !== undefined) return { kind: "problem", sentence: this.#problem.message, usingLastGood };
    if (good === undefined) return { kind: "problem", sentence: "The files were not read yet.", usingLastGood };
    if (!usingLastGood) return { kind: "problem", sentence: this.#ended(good).message, usingLastGood };
    return { kind: "good", certificate: labelOf(good.path[0]), endsAt: good.endsAt };
  }

  /**
   * Signs an intermediate for the key of an authority: path length 0, its own subject, no longer than the issuing CA's path.
   * @throws UpstreamError MCA_UPSTREAM_FILES_UNUSABLE, KeyError; what `record` throws, and nothing is signed then
   */
  async certify(request: UpstreamRequest): Promise<UpstreamAnswer> {
    await this.refresh();
    const good = this.#good;
    if (good === undefined) throw this.#problem ?? new TypeError("the files were read");
    if (request.now >= good.endsAt) throw this.#problem ?? this.#ended(good);
    const { path, signer } = good;
    const tbs = encodeAuthority(request, good);
    await request.record({ kind: "certificate", bytes: tbs });
    const certificate = encodeCertificate(tbs, algorithmIdentifier(signer.algorithm), await signer.sign(tbs));
    const anchor = path[path.length - 1] ?? path[0];
    return { certificate, intermediates: path.slice(0, -1).map(({ der }) => der), anchor: anchor.der };
  }

  async #look(): Promise<void> {
    try {
      const material = await this.#open(await readDiskFiles(this.#files));
      requireUsable(material, this.#files, this.#options.clock.now(), this.#options);
      this.#accept(material);
    } catch (error) {
      if (!(error instanceof MeshCaError)) throw error;
      this.#shout(error);
    }
  }

  /** Opens what the files hold, unless they are what they were: opening a sealed key costs a fifth of a second. */
  async #open(contents: DiskContents): Promise<DiskMaterial> {
    const { fingerprint } = contents;
    if (this.#opened?.fingerprint !== fingerprint) {
      try {
        const material = await openDiskMaterial(contents, this.#files);
        this.#opened = { kind: "material", fingerprint, material };
      } catch (error) {
        if (!(error instanceof MeshCaError)) throw error;
        this.#opened = { kind: "unusable", fingerprint, error };
      }
    }
    if (this.#opened.kind === "unusable") throw this.#opened.error;
    return this.#opened.material;
  }

  #accept(material: DiskMaterial): void {
    const changed = material !== this.#good || this.#problem !== undefined;
    this.#good = material;
    this.#problem = undefined;
    if (!changed) return;
    const [issuing] = material.path;
    this.#options.logger.info(
      {
        event: "upstream.disk_loaded",
        issuer: labelOf(issuing),
        certificate: issuing.sha256,
        endsAt: formatTime(material.endsAt),
      },
      "the issuing CA on disk signs the next authorities",
    );
  }

  #shout(problem: MeshCaError): void {
    const known = this.#problem?.message === problem.message;
    this.#problem = problem;
    if (known) return;
    const usingLastGood = this.#good !== undefined;
    this.#options.logger.error(
      { event: "upstream.disk_refused", alarm: true, code: problem.code, usingLastGood, reason: problem.message },
      usingLastGood
        ? "the files of the issuing CA were replaced by something unusable; the last good ones stay in use until this server stops"
        : "the files of the issuing CA are unusable; no authority can be made",
    );
  }

  #ended(good: DiskMaterial): UpstreamError {
    return new UpstreamError(
      "MCA_UPSTREAM_FILES_UNUSABLE",
      `The issuing CA "${labelOf(good.path[0])}" in ${this.#files.certificateFile}, or a CA above it, ended at ${formatTime(good.endsAt)}. Replace its files.`,
    );
  }
}

/** The TBSCertificate of an authority under an issuing CA, DER. */
function encodeAuthority(request: UpstreamRequest, { path, signer, endsAt }: DiskMaterial): Uint8Array {
  const [issuing] = path;
  const keyId = keyIdentifier(request.publicKey);
  const now = Math.floor(request.now / 1000) * 1000;
  const begin = Math.max(now - request.clockSkewSeconds * 1000, ...path.map(({ notBefore }) => notBefore));
  return encodeTbsCertificate({
    serial: authoritySerial(request),
    signatureAlgorithm: signer.algorithm,
    // Byte for byte: verifiers compare names, and some compare octets.
    issuer: issuing.subject,
    notBefore: begin,
    notAfter: Math.min(now + request.lifetimeSeconds * 1000, endsAt),
    subject: authorityName(request.trustDomain, keyId),
    spki: request.publicKey.spki,
    extensions: authorityExtensions(
      request.trustDomain,
      keyId,
      issuing.subjectKeyId ?? keyIdentifier(parseSubjectPublicKeyInfo(signer.spki)),
    ),
  });
}
