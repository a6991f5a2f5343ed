// Puts imported certificates together: which one is our authority's, what lies above it, and which root it ends at. The files
// may come in any order, with doubles, with what is not needed, with or without the root; cross-signed certificates may give
// several paths. The choice is always the same for the same files, and is told. Nothing is accepted here: see judge.ts.
import { bytesEqual, type Certificate, labelOf } from "../../x509/index.ts";
import type { Finding } from "./finding.ts";
import { gapFindings } from "./gap.ts";
import { distinct, isSelfIssued, PathFinder, type PathSearch } from "./path-search.ts";
import type { ImportedCertificate } from "./read-certificates.ts";
import type { UpstreamAnswer } from "./upstream.ts";

export interface AssemblyTerms {
  /** SHA-256 of the SubjectPublicKeyInfo of each open request. */
  readonly requested: readonly string[];
  /** Roots that we know already: the files need not have them. */
  readonly knownAnchors: readonly Certificate[];
}

export type Assembly =
  | {
      readonly kind: "assembled";
      readonly spkiSha256: string;
      readonly answer: UpstreamAnswer;
      /** Certificates that were not needed, and choices that were made. */
      readonly notes: readonly Finding[];
    }
  | { readonly kind: "refused"; readonly findings: readonly Finding[] };

/** Finds the path of our authority among the certificates. What comes out is in order, but not yet judged. */
export function assembleAnswer(imported: readonly ImportedCertificate[], terms: AssemblyTerms): Assembly {
  return new Assembling(imported, terms).run();
}

class Assembling {
  readonly #terms: AssemblyTerms;
  readonly #certificates: readonly Certificate[];
  readonly #sources = new Map<string, string>();
  readonly #notes: Finding[] = [];
  readonly #finder = new PathFinder();

  constructor(imported: readonly ImportedCertificate[], terms: AssemblyTerms) {
    this.#terms = terms;
    this.#certificates = distinct(imported.map(({ certificate }) => certificate));
    for (const { certificate, source } of imported) {
      const first = this.#sources.get(certificate.sha256);
      if (first === undefined) this.#sources.set(certificate.sha256, source);
      else
        this.#note(
          certificate,
          "once",
          `it a second time (${source})`,
          "each certificate once; the double is left out",
        );
    }
  }

  run(): Assembly {
    const { requested } = this.#terms;
    const ours = this.#certificates.filter(({ publicKey }) => requested.includes(publicKey.spkiSha256));
    const [first, ...others] = ours;
    if (first === undefined) return { kind: "refused", findings: this.#strangers() };
    if (others.some(({ publicKey }) => publicKey.spkiSha256 !== first.publicKey.spkiSha256)) {
      return { kind: "refused", findings: ours.map((certificate) => this.#oneAtATime(certificate)) };
    }
    return this.#assemble(ours);
  }

  /** `ours`: one certificate or several (issued again, cross-signed) for one key. */
  #assemble(ours: readonly Certificate[]): Assembly {
    const anchors = distinct([...this.#certificates.filter((each) => this.#isRoot(each)), ...this.#terms.knownAnchors]);
    const searches = ours.map((certificate) => this.#finder.search(certificate, this.#certificates, anchors));
    const paths = searches.flatMap(({ complete }) => complete).sort((a, b) => this.#prefer(a, b));
    const [path, ...others] = paths;
    const [certificate] = path ?? [];
    const anchor = path?.[path.length - 1];
    if (path === undefined || certificate === undefined || anchor === undefined) return this.#refuseGaps(searches);
    this.#tellChoice(path, others);
    for (const extra of this.#certificates) {
      if (path.some((member) => bytesEqual(member.der, extra.der))) continue;
      this.#note(extra, "chain", "a certificate that the path does not need", "the path alone; it is left out");
    }
    return {
      kind: "assembled",
      spkiSha256: certificate.publicKey.spkiSha256,
      answer: {
        certificate: certificate.der,
        intermediates: path.slice(1, -1).map(({ der }) => der),
        anchor: anchor.der,
        sources: this.#sources,
      },
      notes: this.#notes,
    };
  }

  /** A certificate that its own key signed. One with our key is our authority's, whoever signed it. */
  #isRoot(certificate: Certificate): boolean {
    return isSelfIssued(certificate) && this.#finder.issued(certificate, certificate);
  }

  /**
   * The better path first: one whose root is among the files (they say what shall be trusted), then the one that lasts
   * longest, then the shortest; hashes decide the rest.
   */
  #prefer(a: readonly Certificate[], b: readonly Certificate[]): number {
    const brought = (path: readonly Certificate[]): number => (this.#isBrought(path[path.length - 1]) ? 1 : 0);
    const hashes = (path: readonly Certificate[]): string => path.map(({ sha256 }) => sha256).join();
    return brought(b) - brought(a) || endOf(b) - endOf(a) || a.length - b.length || (hashes(a) < hashes(b) ? -1 : 1);
  }

  #isBrought(certificate: Certificate | undefined): boolean {
    return certificate !== undefined && this.#sources.has(certificate.sha256);
  }

  #tellChoice(path: readonly Certificate[], others: readonly (readonly Certificate[])[]): void {
    const [certificate] = path;
    const anchor = path[path.length - 1];
    if (certificate === undefined || anchor === undefined) return;
    if (!this.#isBrought(anchor)) {
      this.#note(anchor, "root", "no root among the files", "one; the root that this server trusts already is taken");
    }
    for (const other of others) {
      const otherRoot = other[other.length - 1];
      const [otherFirst] = other;
      if (otherRoot !== undefined && otherRoot.sha256 !== anchor.sha256) {
        this.#note(
          otherRoot,
          "root",
          `another path, to this root, until ${iso(endOf(other))}`,
          `one path; the one to "${labelOf(anchor)}" is taken, until ${iso(endOf(path))}`,
        );
      } else if (otherFirst !== undefined && otherFirst.sha256 !== certificate.sha256) {
        this.#note(
          otherFirst,
          "root",
          "another certificate for the same key",
          `one; that with the serial number ${certificate.serialHex} is taken`,
        );
      }
    }
  }

  #refuseGaps(searches: readonly PathSearch[]): Assembly {
    const known = [...this.#certificates, ...this.#terms.knownAnchors];
    const findings = searches.flatMap((search) => gapFindings(search, known, (each) => this.#name(each)));
    return { kind: "refused", findings: [...findings, ...this.#notes] };
  }

  /** No certificate is for a key of ours: which keys are the lowest ones for, and which were asked for? */
  #strangers(): readonly Finding[] {
    const { requested } = this.#terms;
    const expected =
      requested.length === 0
        ? "an open request: make one with `npx mesh-ca authority csr`"
        : `a certificate for ${requested.length === 1 ? "the key of the open request" : "the key of an open request"}: ${requested.join(", ")}`;
    const lowest = this.#certificates.filter(
      (certificate) => !this.#isRoot(certificate) && !this.#issuedAny(certificate),
    );
    return (lowest.length > 0 ? lowest : this.#certificates).map((certificate) => ({
      severity: "error",
      certificate: this.#name(certificate),
      rule: "key",
      found: `no certificate for the key that was asked for; this one is for the key ${certificate.publicKey.spkiSha256}`,
      expected,
    }));
  }

  #issuedAny(issuer: Certificate): boolean {
    return this.#certificates.some((child) => child !== issuer && this.#finder.issued(issuer, child));
  }

  #oneAtATime(certificate: Certificate): Finding {
    return {
      severity: "error",
      certificate: this.#name(certificate),
      rule: "one-authority",
      found: `a certificate for the open request ${certificate.publicKey.spkiSha256}, beside one for another`,
      expected: "an import for each request",
    };
  }

  #note(certificate: Certificate, rule: string, found: string, expected: string): void {
    this.#notes.push({ severity: "warning", certificate: this.#name(certificate), rule, found, expected });
  }

  #name(certificate: Certificate): string {
    const source = this.#sources.get(certificate.sha256);
    return source === undefined ? labelOf(certificate) : `${labelOf(certificate)} (${source})`;
  }
}

function endOf(path: readonly Certificate[]): number {
  return Math.min(...path.map(({ notAfter }) => notAfter));
}

const iso = (unixMs: number): string => new Date(unixMs).toISOString();
