// Makes the certificates of the samples: fixed serial numbers, names and dates, so that the same call gives the same TBSCertificate.
// ECDSA signatures are random; a certificate that is there already with these bytes and a good signature is taken as it is.
import { createPublicKey, X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decodePem, parseCertificate, sha256, sha256Hex } from "../src/x509/index.ts";
import { type CertificateOptions, createCertificate, TestCertificate } from "../test/support/pki.ts";
import { type SampleKey, sampleKey, samplesFolder } from "./keys.ts";

/** The moment at which the samples are judged. */
export const SAMPLES_NOW: number = Date.UTC(2026, 11, 1);

/** Validity of what is good: long before and long after. Unix milliseconds. */
export const VALID = { notBefore: Date.UTC(2026, 0, 1), notAfter: Date.UTC(2056, 0, 1) - 1000 } as const;

export interface SampleCertificateOptions extends Omit<CertificateOptions, "key" | "subject" | "signWith"> {
  readonly key: SampleKey;
  readonly subject: string | Uint8Array;
}

/** Makes certificates; one maker for one run. */
export class Certifier {
  /** One certificate is one sequence of bytes in all the files, although ECDSA signs differently each time. */
  readonly #known: Map<string, Uint8Array>;

  /** @param known certificates that are taken as they are, by the SHA-256 of their TBSCertificate */
  constructor(known: ReadonlyMap<string, Uint8Array> = new Map()) {
    this.#known = new Map(known);
  }

  /** A CA's certificate; `issuer` undefined: self-signed. */
  ca(issuer: TestCertificate | undefined, options: SampleCertificateOptions): TestCertificate {
    return this.make(issuer, { ca: true, keyUsage: ["keyCertSign", "cRLSign"], ...options });
  }

  /** Any certificate. Its serial number comes from what it is for, so that it is the same each time. */
  make(issuer: TestCertificate | undefined, options: SampleCertificateOptions): TestCertificate {
    const key = sampleKey(options.key);
    const draft = createCertificate(issuer, { ...VALID, ...options, key, serial: Uint8Array.of(1) });
    const serial = sha256(draft.certificate.tbs).slice(0, 16);
    serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
    const made = createCertificate(issuer, { ...VALID, ...options, key, serial });
    const tbs = sha256Hex(made.certificate.tbs);
    const known = this.#known.get(tbs);
    if (known !== undefined && isSignedBy(known, issuer ?? made)) return new TestCertificate(known, key, made.subject);
    this.#known.set(tbs, made.der);
    return made;
  }
}

/** Every certificate that the PEM files of the folder hold, by the SHA-256 of its TBSCertificate. */
export function certificatesOnDisk(): ReadonlyMap<string, Uint8Array> {
  const known = new Map<string, Uint8Array>();
  if (!existsSync(samplesFolder)) return known;
  for (const entry of readdirSync(samplesFolder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".pem") || entry.name.endsWith(".key.pem")) continue;
    for (const { label, der } of decodePem(readFileSync(join(entry.parentPath, entry.name), "utf8"))) {
      if (label === "CERTIFICATE") known.set(sha256Hex(tbsOf(der)), der);
    }
  }
  return known;
}

/** The TBSCertificate: what a sample is, apart from its signature. */
export function tbsOf(der: Uint8Array): Uint8Array {
  return parseCertificate(der).tbs;
}

function isSignedBy(der: Uint8Array, issuer: TestCertificate): boolean {
  return new X509Certificate(der).verify(createPublicKey(issuer.key));
}
