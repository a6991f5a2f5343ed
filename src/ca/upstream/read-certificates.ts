// Reads the certificates that people bring: PEM (with text around it, of any line ends, in UTF-8 or UTF-16), DER (one or
// several), PKCS#7 in PEM or DER, under whatever label. Files that are something else are told what they are. A file that
// holds a private key is refused as a whole; nothing of the key is decoded, kept or repeated.
import {
  type Certificate,
  decodePem,
  endOfElement,
  parseCertificate,
  readPkcs7Certificates,
  tag,
  X509Error,
} from "../../x509/index.ts";
import { UpstreamError } from "./errors.ts";
import { type DerKind, derKind, KIND_SENTENCES, textSentence } from "./file-kinds.ts";
import type { Finding } from "./finding.ts";

/** A file of an import. */
export interface ImportFile {
  /** For messages. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A certificate out of such a file. */
export interface ImportedCertificate {
  readonly certificate: Certificate;
  /** "chain.p7b, 2nd certificate". */
  readonly source: string;
}

const MAX_FILES = 64;
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_CERTIFICATES = 256;
const MAX_NAME = 120;
const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY|^PuTTY-User-Key-File-/m;
const TRUSTED_CERTIFICATE =
  "is in OpenSSL's own TRUSTED CERTIFICATE format. Convert it: openssl x509 -in FILE -out certificate.pem";
const CONVERT_PKCS7 =
  "a bundle that can be read; convert it: openssl pkcs7 -inform DER -in FILE -print_certs -out certificates.pem";

/**
 * Every certificate of the files, in order; at least one.
 * @throws UpstreamError MCA_IMPORT_UNREADABLE with a finding for each thing that cannot be read; MCA_IMPORT_PRIVATE_KEY
 */
export function readCertificates(files: readonly ImportFile[]): readonly ImportedCertificate[] {
  if (files.length === 0 || files.length > MAX_FILES) {
    throw unreadable([problem("the import", `${files.length} files`, `1 to ${MAX_FILES} files`)]);
  }
  const problems: Finding[] = [];
  const read: ImportedCertificate[] = [];
  for (const file of files) new FileReading(file, read, problems).run();
  if (problems.length > 0) throw unreadable(problems);
  return read;
}

/** One file on its way into the list of certificates. */
class FileReading {
  readonly #bytes: Uint8Array;
  readonly #name: string;
  readonly #read: ImportedCertificate[];
  readonly #problems: Finding[];
  #count = 0;

  constructor(file: ImportFile, read: ImportedCertificate[], problems: Finding[]) {
    this.#bytes = file.bytes;
    this.#name = printable(file.name);
    this.#read = read;
    this.#problems = problems;
  }

  run(): void {
    if (this.#bytes.length > MAX_FILE_BYTES) {
      this.#refuse(`${this.#bytes.length} octets`, `at most ${MAX_FILE_BYTES}`);
    } else if (looksLikeDer(this.#bytes)) {
      this.#der();
    } else {
      this.#text(textOf(this.#bytes));
    }
  }

  /** One DER element after the other. */
  #der(): void {
    for (let at = 0; at < this.#bytes.length && !this.#isTooMany(); ) {
      const rest = this.#bytes.subarray(at);
      // Text editors and echo leave line ends behind.
      if (at > 0 && rest.every((octet) => octet === 0x0a || octet === 0x0d)) return;
      const kind = derKind(rest);
      // A key that is cut off, or followed by something, is a key all the same.
      this.#requireNoKey(kind);
      const end = this.#attempt(() => endOfElement(rest, 0), kind);
      if (end === undefined) return;
      this.#element(rest.subarray(0, end));
      at += end;
    }
  }

  #text(text: string): void {
    if (PRIVATE_KEY.test(text)) throw privateKey(this.#name);
    // YAML and mails indent; what counts is the line.
    const lines = text.split(/\r\n|\r|\n/).map((line) => line.trim());
    if (!lines.some((line) => line.startsWith("-----BEGIN "))) {
      this.#sentence(textSentence(text));
      return;
    }
    for (const { label, der } of this.#attempt(() => decodePem(lines.join("\n"))) ?? []) {
      if (this.#isTooMany()) return;
      if (label === "TRUSTED CERTIFICATE") this.#sentence(TRUSTED_CERTIFICATE);
      else this.#element(der);
    }
  }

  /** What the octets are counts, not their label: certutil writes CERTIFICATE around everything. */
  #element(der: Uint8Array): void {
    const kind = derKind(der);
    this.#requireNoKey(kind);
    this.#count += 1;
    this.#attempt(() => {
      if (kind === "certificate") this.#add(der);
      else if (kind === "pkcs7") this.#pkcs7(der);
      else if (kind !== "private-key") this.#sentence(KIND_SENTENCES[kind]);
    }, kind);
  }

  #pkcs7(der: Uint8Array): void {
    const certificates = readPkcs7Certificates(der, { maxBytes: MAX_FILE_BYTES, maxCertificates: MAX_CERTIFICATES });
    this.#count -= 1;
    for (const certificate of certificates) this.#element(certificate);
  }

  #add(der: Uint8Array): void {
    this.#read.push({ certificate: parseCertificate(der), source: this.#place() });
  }

  #place(): string {
    return `${this.#name}, ${ordinal(this.#count)} certificate`;
  }

  #requireNoKey(kind: DerKind): void {
    if (kind === "private-key") throw privateKey(this.#name);
  }

  /** Runs a reader; what it cannot read becomes a finding. */
  #attempt<T>(reader: () => T, kind: DerKind = "certificate"): T | undefined {
    try {
      return reader();
    } catch (error) {
      if (!(error instanceof X509Error)) throw error;
      const place = this.#count > 0 ? this.#place() : this.#name;
      const expected = kind === "pkcs7" ? CONVERT_PKCS7 : "an X.509 v3 certificate in strict DER";
      this.#problems.push(problem(place, error.message, expected));
      return undefined;
    }
  }

  #sentence(sentence: string): void {
    const place = this.#count > 1 ? `${this.#name}, ${ordinal(this.#count)} block` : this.#name;
    this.#refuse(`a file that ${sentence}`, "certificates as PEM, DER or PKCS#7", place);
  }

  #refuse(found: string, expected: string, place = this.#name): void {
    this.#problems.push(problem(place, found, expected));
  }

  #isTooMany(): boolean {
    if (this.#read.length <= MAX_CERTIFICATES) return false;
    this.#refuse(`more than ${MAX_CERTIFICATES} certificates`, "the certificate of the authority and its path alone");
    return true;
  }
}

/** A SEQUENCE, and not a text that begins with the digit 0. */
function looksLikeDer(bytes: Uint8Array): boolean {
  return bytes[0] === tag.sequence && bytes.subarray(1, 16).some((octet) => octet < 0x09 || octet >= 0x80);
}

/** UTF-8 with or without a byte order mark, or UTF-16 with one, as PowerShell's redirection writes it. */
function textOf(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  return new TextDecoder("utf-8").decode(bytes);
}

function ordinal(n: number): string {
  const tens = n % 100;
  const suffix = tens >= 11 && tens <= 13 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th");
  return `${n}${suffix}`;
}

/** A file's name, fit for a terminal. */
function printable(name: string): string {
  const safe = name.replace(/[^ -~]/g, "?");
  return safe.length > MAX_NAME ? `...${safe.slice(-MAX_NAME)}` : safe;
}

function problem(certificate: string, found: string, expected: string): Finding {
  return { severity: "error", certificate, rule: "readable", found, expected };
}

function unreadable(findings: readonly Finding[]): UpstreamError {
  const [first] = findings;
  const more = findings.length > 1 ? ` (and ${findings.length - 1} more)` : "";
  return new UpstreamError(
    "MCA_IMPORT_UNREADABLE",
    `The import cannot be read: ${first?.certificate}: found ${first?.found}; expected ${first?.expected}${more}.`,
    { findings, details: { file: first?.certificate ?? "" } },
  );
}

function privateKey(name: string): UpstreamError {
  return new UpstreamError(
    "MCA_IMPORT_PRIVATE_KEY",
    `${name} holds a private key. It was not read, and nothing of it was kept. Import certificates only; if that key came over a network or lay where others can read it, replace it.`,
    { details: { file: name } },
  );
}
