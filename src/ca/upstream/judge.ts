// Every rule of spec/enterprise-pki.md, "Before any upstream answer is accepted", applied to one answer, with all findings
// together: nobody should have to ask the enterprise CA once for each fault. The last word is the path validator's: what it
// does not accept is not accepted, whatever the rules here say. No SHA-1 anywhere includes the root's own signature, because
// verifiers refuse such a root at every handshake, ours among them.
import {
  bytesEqual,
  type Certificate,
  labelOf,
  type PathError,
  parseCertificate,
  sha256Hex,
  surveyCaPath,
  surveyIssuerProfile,
  validatePath,
  X509Error,
} from "../../x509/index.ts";
import type { AcceptanceTerms, AcceptedAuthority, Judgement } from "./accept.ts";
import { authorityRules, type BrokenRule } from "./authority-rules.ts";
import type { Finding } from "./finding.ts";
import { gapFindings } from "./gap.ts";
import { isConfinedTo, nameFindings } from "./name-permissions.ts";
import { distinct, isSelfIssued, PathFinder } from "./path-search.ts";
import type { UpstreamAnswer } from "./upstream.ts";

const OWN_RULES: ReadonlySet<string> = new Set(["basic-constraints", "key-usage", "issuer-name"]);
const PURPOSES = ["serverAuth", "clientAuth"] as const;

/** Judges an upstream's answer by every rule. Never throws for what the answer is. */
export function judgeUpstreamAnswer(answer: UpstreamAnswer, terms: AcceptanceTerms): Judgement {
  return new Judging(answer, terms).run();
}

class Judging {
  readonly #answer: UpstreamAnswer;
  readonly #terms: AcceptanceTerms;
  readonly #findings: Finding[] = [];

  constructor(answer: UpstreamAnswer, terms: AcceptanceTerms) {
    this.#answer = answer;
    this.#terms = terms;
  }

  run(): Judgement {
    const certificate = this.#parse(this.#answer.certificate, "the authority's certificate");
    const anchor = this.#parse(this.#answer.anchor, "the root");
    const intermediates = this.#answer.intermediates.map((der, i) => this.#parse(der, `intermediate ${i + 1}`));
    const readable = distinct(intermediates.filter((each) => each !== undefined));
    if (certificate !== undefined) {
      for (const rule of authorityRules(certificate, this.#terms)) this.#refuse(certificate, rule);
      if (anchor !== undefined) {
        const path = this.#pathOf(certificate, readable, anchor);
        if (path !== undefined) return this.#judgePath(path, readable);
      }
    }
    return { kind: "refused", findings: this.#findings };
  }

  #parse(der: Uint8Array, what: string): Certificate | undefined {
    try {
      return parseCertificate(der);
    } catch (error) {
      if (!(error instanceof X509Error)) throw error;
      const source = this.#answer.sources?.get(sha256Hex(der));
      const certificate = source === undefined ? what : `${what} (${source})`;
      this.#add({ certificate, rule: "readable", found: error.message, expected: "an X.509 v3 certificate in DER" });
      return undefined;
    }
  }

  /** The path from the authority to the anchor, authority first; undefined, with findings, where there is none. */
  #pathOf(
    certificate: Certificate,
    intermediates: readonly Certificate[],
    anchor: Certificate,
  ): readonly Certificate[] | undefined {
    const validated = this.#validate(certificate, intermediates, anchor);
    if (Array.isArray(validated)) return validated;
    const search = new PathFinder().search(certificate, intermediates, [anchor]);
    const [path] = search.complete;
    if (path !== undefined) return path;
    // What is wrong with the part that is there is worth knowing too.
    this.#survey(search.deepest, "partial");
    this.#findings.push(...gapFindings(search, [...intermediates, anchor], (each) => this.#name(each)));
    return undefined;
  }

  #validate(
    certificate: Certificate,
    intermediates: readonly Certificate[],
    anchor: Certificate,
  ): readonly Certificate[] | X509Error {
    try {
      const chain = [certificate, ...intermediates];
      return validatePath({ chain, anchors: [anchor], time: this.#terms.now, target: "ca", purposes: PURPOSES }).path;
    } catch (error) {
      if (error instanceof X509Error) return error;
      throw error;
    }
  }

  #judgePath(path: readonly Certificate[], intermediates: readonly Certificate[]): Judgement {
    const [certificate] = path;
    const anchor = path[path.length - 1];
    if (certificate === undefined || anchor === undefined) throw new TypeError("a path is never empty");
    this.#survey(path, "whole");
    this.#checkAnchor(anchor);
    this.#checkExtras(path, intermediates);
    this.#findings.push(
      ...nameFindings(path, this.#terms.trustDomain, this.#terms.dnsGrants, (each) => this.#name(each)),
    );
    this.#checkLifetime(path);
    if (path.length > 1 && this.#terms.dedicatedRoot !== true) this.#warnOfSharedRoot(anchor);
    this.#warnOfProfile(path);
    const above = path.slice(1, -1);
    if (!this.#findings.some(({ severity }) => severity === "error")) {
      const verdict = this.#validate(certificate, above, anchor);
      if (verdict instanceof X509Error)
        this.#refuse(certificate, {
          rule: "path",
          found: verdict.message,
          expected: "a path that our verifier accepts",
        });
    }
    if (this.#findings.some(({ severity }) => severity === "error")) {
      return { kind: "refused", findings: this.#findings };
    }
    const authority: AcceptedAuthority = { certificate, intermediates: above, anchor };
    return { kind: "accepted", authority, warnings: this.#findings };
  }

  #survey(path: readonly Certificate[], extent: "whole" | "partial"): void {
    const errors = surveyCaPath(path, this.#terms.now, PURPOSES);
    const top = path[path.length - 1];
    for (const error of errors) {
      // Without the issuer of the last one, nothing is known of its signature.
      const ofIssuer = error.rule === "signature" || error.rule === "key-identifier";
      if (extent === "partial" && ofIssuer && error.offender === top) continue;
      this.#addError(error, error.offender === path[0]);
    }
  }

  #checkAnchor(anchor: Certificate): void {
    if (isSelfIssued(anchor)) return;
    this.#refuse(anchor, {
      rule: "root",
      found: "a CA that another one issued, in the place of the root",
      expected: "a self-signed root: OpenSSL and others trust nothing else by default",
    });
  }

  #checkExtras(path: readonly Certificate[], intermediates: readonly Certificate[]): void {
    for (const extra of intermediates) {
      if (path.some((member) => bytesEqual(member.der, extra.der))) {
        const self = path.length === 1 && path[0] !== undefined && bytesEqual(path[0].der, extra.der);
        if (!self) continue;
      }
      const found = "a certificate that is no part of the path";
      if (path.length === 1)
        this.#refuse(extra, { rule: "chain", found: "intermediates of a self-signed authority", expected: "none" });
      else
        this.#add(
          { certificate: this.#name(extra), rule: "chain", found, expected: "the path alone; it is left out" },
          "warning",
        );
    }
  }

  #checkLifetime(path: readonly Certificate[]): void {
    const [certificate] = path;
    if (certificate === undefined) return;
    const ends = path.reduce((first, each) => (each.notAfter < first.notAfter ? each : first));
    if (ends.notAfter < certificate.notAfter) {
      const found = `an end at ${iso(certificate.notAfter)}, after that of "${labelOf(ends)}" above it (${iso(ends.notAfter)})`;
      this.#add(
        {
          certificate: this.#name(certificate),
          rule: "validity",
          found,
          expected: `an end within its issuers'; it ends for us at ${iso(ends.notAfter)}`,
        },
        "warning",
      );
    }
    // What has ended already has been said to have: how long it would be too short is no news.
    if (ends.notAfter < this.#terms.now) return;
    try {
      this.#terms.checkLifetime?.(ends.notAfter);
    } catch (error) {
      if (!(error instanceof Error) || error instanceof TypeError) throw error;
      this.#refuse(ends, {
        rule: "lifetime",
        found: `an end at ${iso(ends.notAfter)}. ${error.message}`,
        expected: "a validity that leaves time for a rotation",
      });
    }
  }

  /** Foreign verifiers know the root alone, and every CA beneath it may speak for our trust domain. */
  #warnOfSharedRoot(anchor: Certificate): void {
    const { trustDomain } = this.#terms;
    if (isConfinedTo(anchor, trustDomain)) return;
    this.#add(
      {
        certificate: this.#name(anchor),
        rule: "dedicated-root",
        found: `a root without name constraints: every CA beneath it can issue certificates for ${trustDomain.id}/... that all verifiers but mesh-ca's own accept`,
        expected: `a root for this trust domain alone, or name constraints that exclude the URI host "${trustDomain.name}" in every other CA beneath it`,
      },
      "warning",
    );
  }

  #warnOfProfile(path: readonly Certificate[]): void {
    for (const error of surveyIssuerProfile(path)) {
      const { offender, finding } = error;
      const own = offender === path[0];
      if (own && !/authority key identifier|serial number|name constraints/.test(finding.found)) continue;
      this.#add(
        {
          certificate: offender === undefined ? finding.certificate : this.#name(offender),
          rule: "issuer-profile",
          found: finding.found,
          expected: `${finding.expected} (strict verifiers refuse it: openssl verify -x509_strict, Python 3.13)`,
        },
        "warning",
      );
    }
  }

  #addError({ offender, finding }: PathError, own: boolean): void {
    const { rule, found, expected } = finding;
    // authority-rules.ts has said these of our own certificate, with the rules that ask more of it.
    if (own && OWN_RULES.has(rule)) return;
    const certificate = offender === undefined ? finding.certificate : this.#name(offender);
    this.#add({ certificate, rule, found, expected });
  }

  #refuse(certificate: Certificate, rule: BrokenRule): void {
    this.#add({ certificate: this.#name(certificate), ...rule });
  }

  #add(finding: Omit<Finding, "severity">, severity: Finding["severity"] = "error"): void {
    this.#findings.push({ severity, ...finding });
  }

  #name(certificate: Certificate): string {
    const source = this.#answer.sources?.get(certificate.sha256);
    return source === undefined ? labelOf(certificate) : `${labelOf(certificate)} (${source})`;
  }
}

const iso = (unixMs: number): string => new Date(unixMs).toISOString();
