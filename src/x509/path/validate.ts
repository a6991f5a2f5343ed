// The path validator (RFC 5280 section 6.1; building as in RFC 4158): from a certificate to an anchor, through whatever
// certificates were presented, with backtracking. It is the only verdict about peers and about imported chains, so it must
// never accept what OpenSSL or Go would refuse, and never cost more than PathBudget allows. It knows no names that are
// expected and no revocation: those are for its callers.
import { bytesEqual } from "../bytes.ts";
import { PathError, type PathRule, X509Error } from "../errors.ts";
import { sameName } from "../name.ts";
import type { Certificate } from "../types.ts";
import { verifySignature } from "../verify.ts";
import { PathBudget } from "./budget.ts";
import { IssuerCache } from "./cache.ts";
import { checkAnyCertificate, checkEndEntityCertificate, checkIssuingCertificate } from "./certificate-rules.ts";
import { broken } from "./finding.ts";
import { checkKeyIdentifiers, keyIdentifierFit } from "./key-identifiers.ts";
import type { PathRequest, ValidatedPath } from "./request.ts";
import { checkWholePath } from "./whole-path.ts";

const DEFAULT_MAX_CERTIFICATES = 8;

/**
 * Finds and judges a certification path.
 * @throws PathError MCA_PATH_INVALID: the most telling reason, where several paths were tried
 * @throws TypeError where the request itself makes no sense
 */
export function validatePath(request: PathRequest): ValidatedPath {
  if (!Number.isFinite(request.time)) throw new TypeError("validatePath needs a time in Unix milliseconds");
  return new PathSearch(request).run();
}

interface Candidate {
  readonly certificate: Certificate;
  readonly isAnchor: boolean;
}

class PathSearch {
  readonly #request: PathRequest;
  readonly #maxCertificates: number;
  readonly #cache: IssuerCache | undefined;
  readonly #budget = new PathBudget();
  readonly #others: readonly Certificate[];
  /** Verdicts on signatures, so that none is checked twice. */
  readonly #signatures = new Map<Certificate, Map<Certificate, PathError | undefined>>();
  #failure: { readonly error: PathError; readonly weight: number } | undefined;

  constructor(request: PathRequest) {
    this.#request = request;
    this.#maxCertificates = request.maxCertificates ?? DEFAULT_MAX_CERTIFICATES;
    this.#cache = request.cache instanceof IssuerCache ? request.cache : undefined;
    this.#others = this.#distinct(request.chain.slice(1, this.#maxCertificates + 1));
  }

  /** Issuers that were presented, each once, as the objects that the cache knows. */
  #distinct(certificates: readonly Certificate[]): Certificate[] {
    const distinct: Certificate[] = [];
    for (const certificate of certificates) {
      if (distinct.some((other) => bytesEqual(other.der, certificate.der))) continue;
      distinct.push(this.#cache?.canonical(certificate) ?? certificate);
    }
    return distinct;
  }

  run(): ValidatedPath {
    const { chain, target, time, anchors } = this.#request;
    const [first] = chain;
    if (first === undefined) throw emptyChain();
    if (chain.length > this.#maxCertificates) {
      throw broken("chain-too-long", first, `${chain.length} certificates`, `at most ${this.#maxCertificates}`);
    }
    checkAnyCertificate(first, time);
    if (target === "ca") {
      checkIssuingCertificate(first);
      const path = [first];
      if (anchors.some((anchor) => bytesEqual(anchor.der, first.der)) && this.#accepts(path)) return { path };
    } else {
      checkEndEntityCertificate(first, (this.#request.purposes ?? []).length > 0);
    }
    const path = this.#extend([first]);
    if (path !== undefined) {
      this.#cache?.remember(path);
      return { path };
    }
    throw this.#failure?.error ?? broken("issuer-unknown", first, "no trusted issuer", "a chain to a trusted CA");
  }

  /** Continues a path upwards; undefined where no way leads to an anchor. */
  #extend(path: readonly Certificate[]): readonly Certificate[] | undefined {
    const child = path[path.length - 1];
    if (child === undefined) return undefined;
    const candidates = this.#issuersOf(child, path);
    if (candidates.length === 0) {
      this.#note(
        broken("issuer-unknown", child, "no certificate of its issuer that is trusted", "a chain to a trusted CA"),
        path,
      );
    }
    for (const { certificate, isAnchor } of candidates) {
      this.#budget.spendStep(child);
      if (path.length >= this.#maxCertificates) {
        this.#note(
          broken("chain-too-long", child, "a longer path", `at most ${this.#maxCertificates} certificates`),
          path,
        );
        return undefined;
      }
      if (!this.#mayIssue(certificate, child, path)) continue;
      const longer = [...path, certificate];
      if (isAnchor) {
        if (this.#accepts(longer)) return longer;
      } else {
        const found = this.#extend(longer);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  /** Certificates with the issuer's name: anchors first, and first of all those that the key identifiers point to. */
  #issuersOf(child: Certificate, path: readonly Certificate[]): Candidate[] {
    // An anchor ends a path, so that only the others can lead round in circles.
    const named = (certificate: Certificate): boolean => sameName(certificate.subject, child.issuer);
    const anchors = this.#request.anchors.filter(named).map((certificate) => ({ certificate, isAnchor: true }));
    const others = this.#others
      .filter((certificate) => named(certificate) && !path.some((member) => isSameEntity(member, certificate)))
      .filter((certificate) => !anchors.some((anchor) => bytesEqual(anchor.certificate.der, certificate.der)))
      .map((certificate) => ({ certificate, isAnchor: false }));
    const candidates = [...anchors, ...others];
    return candidates.length < 2
      ? candidates
      : candidates.sort((a, b) => keyIdentifierFit(child, b.certificate) - keyIdentifierFit(child, a.certificate));
  }

  /** Whether the candidate may have issued the child and did; the cheap questions first. */
  #mayIssue(candidate: Certificate, child: Certificate, path: readonly Certificate[]): boolean {
    return this.#attempt(path, () => {
      checkAnyCertificate(candidate, this.#request.time);
      checkIssuingCertificate(candidate);
      checkKeyIdentifiers(child, candidate);
      const failure = this.#signatureFailure(child, candidate);
      if (failure !== undefined) throw failure;
    });
  }

  #accepts(path: readonly Certificate[]): boolean {
    return this.#attempt(path, () => checkWholePath(path, this.#request, this.#budget), COMPLETE);
  }

  /** Runs a check; a broken rule is noted and means "no", an exhausted budget ends the search. */
  #attempt(path: readonly Certificate[], check: () => void, extraWeight = 0): boolean {
    try {
      check();
      return true;
    } catch (error) {
      if (!(error instanceof PathError) || error.rule === EXHAUSTED) throw error;
      this.#note(error, path, extraWeight);
      return false;
    }
  }

  /** Keeps the most telling failure: of a complete path before others, of a longer path before a shorter one. */
  #note(error: PathError, path: readonly Certificate[], extraWeight = 0): void {
    const weight = path.length + extraWeight;
    if (this.#failure === undefined || weight > this.#failure.weight) this.#failure = { error, weight };
  }

  #signatureFailure(child: Certificate, issuer: Certificate): PathError | undefined {
    if (this.#cache?.isSignedBy(child, issuer) === true) return undefined;
    let verdicts = this.#signatures.get(child);
    if (verdicts === undefined) {
      verdicts = new Map();
      this.#signatures.set(child, verdicts);
    }
    if (!verdicts.has(issuer)) {
      this.#budget.spendSignature(child);
      verdicts.set(issuer, verifyIssued(child, issuer));
    }
    return verdicts.get(issuer);
  }
}

const COMPLETE = 1000;
const EXHAUSTED: PathRule = "work-limit";

function verifyIssued(child: Certificate, issuer: Certificate): PathError | undefined {
  try {
    verifySignature(issuer.publicKey, child.signatureAlgorithm, child.tbs, child.signature);
    return undefined;
  } catch (cause) {
    if (!(cause instanceof X509Error)) throw cause;
    return broken(
      "signature",
      child,
      `a signature that the key of its issuer did not make (${cause.message})`,
      "a valid signature",
    );
  }
}

/** The same name with the same key: a path that comes back to it goes round in circles. */
function isSameEntity(a: Certificate, b: Certificate): boolean {
  return bytesEqual(a.publicKey.spki, b.publicKey.spki) && sameName(a.subject, b.subject);
}

function emptyChain(): PathError {
  return new PathError({
    rule: "chain-empty",
    certificate: "",
    found: "no certificate",
    expected: "a certificate to judge",
  });
}
