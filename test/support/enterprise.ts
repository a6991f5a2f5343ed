// The enterprise that signs our authorities in tests: a root, an issuing CA, and people who sign certification requests as they
// please. Times are the test's own.
import { parseCsr } from "../../src/x509/index.ts";
import {
  type CertificateOptions,
  chainPem,
  createCertificate,
  createIntermediate,
  createRoot,
  type TestCertificate,
} from "./pki.ts";

const DAY_MS = 86_400_000;

export interface EnterpriseOptions {
  /** Unix milliseconds: when the root was made. */
  readonly now: number;
  readonly name?: string;
  readonly rootDays?: number;
  readonly issuingDays?: number;
}

/** A root and an issuing CA under it. */
export class Enterprise {
  readonly name: string;
  readonly root: TestCertificate;
  readonly issuing: TestCertificate;
  #signed = 0;

  constructor({ now, name = "Corp", rootDays = 3650, issuingDays = 1825 }: EnterpriseOptions) {
    this.name = name;
    const from = { notBefore: now - DAY_MS };
    this.root = createRoot({ ...from, subject: `${name} Root`, notAfter: now + rootDays * DAY_MS });
    this.issuing = createIntermediate(this.root, {
      ...from,
      subject: `${name} Issuing CA`,
      notAfter: now + issuingDays * DAY_MS,
    });
  }

  /** Signs a request as enterprise CAs do: with a subject of their own making. */
  sign(csr: Uint8Array, now: number, days: number, options: CertificateOptions = {}): TestCertificate {
    this.#signed += 1;
    return createCertificate(this.issuing, {
      ca: true,
      pathLength: 0,
      keyUsage: ["keyCertSign", "cRLSign"],
      subject: `${this.name} Mesh CA ${this.#signed}`,
      notBefore: now - 60_000,
      notAfter: now + days * DAY_MS,
      spki: parseCsr(csr).publicKey.spki,
      subjectKeyId: Uint8Array.from({ length: 20 }, (_, index) => index + this.#signed),
      ...options,
    });
  }

  /** What people bring back: everything in one PEM file, the root first. */
  bundle(certificate: TestCertificate): { readonly name: string; readonly bytes: Uint8Array }[] {
    return [{ name: "bundle.pem", bytes: Buffer.from(chainPem(this.root, certificate, this.issuing)) }];
  }

  /** Signs and packs. */
  answer(csr: Uint8Array, now: number, days: number, options: CertificateOptions = {}) {
    return this.bundle(this.sign(csr, now, days, options));
  }
}
