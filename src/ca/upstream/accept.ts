// What an upstream answered is believed only after this (spec/enterprise-pki.md, "Before any upstream answer is accepted").
// The terms, the outcome, and the form that throws; the rules are in judge.ts.
import type { TrustDomain } from "../../spiffe/index.ts";
import type { Certificate } from "../../x509/index.ts";
import { UpstreamError } from "./errors.ts";
import { type Finding, findingToString } from "./finding.ts";
import { judgeUpstreamAnswer } from "./judge.ts";
import type { DnsGrant } from "./name-permissions.ts";
import type { UpstreamAnswer } from "./upstream.ts";

/** What the answer must fit. */
export interface AcceptanceTerms {
  /** SHA-256 of the SubjectPublicKeyInfo of the key that we hold, lower-case hex. */
  readonly spkiSha256: string;
  readonly trustDomain: TrustDomain;
  /** Unix milliseconds. */
  readonly now: number;
  /** DNS names that rules may grant: name constraints must permit them all. */
  readonly dnsGrants: readonly DnsGrant[];
  /** Somebody has said that the root serves this trust domain alone: no warning about it. */
  readonly dedicatedRoot?: boolean;
  /** Throws, with the arithmetic, where an authority whose path ends then (Unix milliseconds) could not be rotated. */
  checkLifetime?(endsAt: number): void;
}

/** An authority certificate that may be used, with its path in order. */
export interface AcceptedAuthority {
  readonly certificate: Certificate;
  /** Nearest first, without the anchor. */
  readonly intermediates: readonly Certificate[];
  readonly anchor: Certificate;
}

export type Judgement =
  | {
      readonly kind: "accepted";
      readonly authority: AcceptedAuthority;
      /** None of them an error. */
      readonly warnings: readonly Finding[];
    }
  /** Everything that is wrong, and the warnings. */
  | { readonly kind: "refused"; readonly findings: readonly Finding[] };

const MAX_IN_SENTENCE = 5;

/**
 * Checks an upstream's answer.
 * @throws UpstreamError MCA_UPSTREAM_CERTIFICATE_REFUSED with every finding
 */
export function acceptUpstreamAnswer(answer: UpstreamAnswer, terms: AcceptanceTerms): AcceptedAuthority {
  const judgement = judgeUpstreamAnswer(answer, terms);
  if (judgement.kind === "accepted") return judgement.authority;
  throw refusedError(judgement.findings);
}

/** The error for findings: the first ones in the sentence, all of them beside it. */
export function refusedError(findings: readonly Finding[]): UpstreamError {
  const errors = findings.filter(({ severity }) => severity === "error");
  const [first] = errors;
  const more = errors.length > MAX_IN_SENTENCE ? ` And ${errors.length - MAX_IN_SENTENCE} more.` : "";
  const details =
    first === undefined
      ? {}
      : { certificate: first.certificate, rule: first.rule, found: first.found, expected: first.expected };
  return new UpstreamError(
    "MCA_UPSTREAM_CERTIFICATE_REFUSED",
    `The certificate that the upstream gave for our authority is not acceptable. ${errors.slice(0, MAX_IN_SENTENCE).map(findingToString).join(". ")}.${more}`,
    { findings, details: { ...details, findings: String(errors.length) } },
  );
}
