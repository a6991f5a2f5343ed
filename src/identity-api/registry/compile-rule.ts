// A definition, judged in this trust domain with these attestors: what it matches and what it builds. Whatever cannot work
// is refused here, at load, with a RuleError; what depends on a caller's attributes is left to evaluate.ts.

import { nearestHint } from "../../runtime/index.ts";
import { type DnsTemplate, parseDnsTemplate } from "./dns-template.ts";
import { RuleError } from "./errors.ts";
import { type Pattern, parsePattern } from "./glob.ts";
import { parseSpiffeIdTemplate, type SpiffeIdTemplate } from "./spiffe-id-template.ts";
import { type Refuse, splitAttribute } from "./template.ts";
import type { AttestorDescription, RuleContext, RuleDefinition } from "./types.ts";

/** Evidence that a host agent asserts carries this prefix. No rule can name it yet: such evidence earns nothing. */
export const ASSERTED_PREFIX = "agent.";

const DEFAULT_LINEAGE_AGE_SECONDS = 30 * 86_400;
const TOKEN_RENEW_AFTER_EXPIRY_SECONDS = 7 * 86_400;

/** One selector of a rule. */
export interface Selector {
  /** "<attestor instance>.<attribute>" */
  readonly name: string;
  readonly pattern: Pattern;
}

/** A rule that can be evaluated. */
export interface CompiledRule {
  readonly definition: RuleDefinition;
  readonly attestor: AttestorDescription;
  readonly selectors: readonly Selector[];
  readonly spiffeId: SpiffeIdTemplate;
  readonly dnsNames: readonly DnsTemplate[];
  /** Lifetime granted, defaults filled in. */
  readonly ttlSeconds: number;
  readonly renewAfterExpirySeconds: number;
  readonly maxLineageAgeSeconds: number;
}

/** Judges a definition. @throws RuleError that names rule and field */
export function compileRule(definition: RuleDefinition, context: RuleContext): CompiledRule {
  const refusing =
    (field: string): Refuse =>
    (sentence) => {
      throw new RuleError(definition.name, field, sentence);
    };
  const attestor = findAttestor(definition, context.attestors, refusing("match"));
  const patterns = new Map(
    [...definition.match].map(([name, text]) => [name, parsePattern(text, refusing(`match "${name}"`))]),
  );
  const ttlSeconds = definition.ttlSeconds === 0 ? context.ttl.defaultSeconds : definition.ttlSeconds;
  checkTtl(ttlSeconds, context, refusing("ttlSeconds"));
  const maxLineageAgeSeconds =
    definition.maxLineageAgeSeconds === 0 ? DEFAULT_LINEAGE_AGE_SECONDS : definition.maxLineageAgeSeconds;
  if (maxLineageAgeSeconds < ttlSeconds) {
    refusing("maxLineageAgeSeconds")(`is shorter than one certificate's lifetime (${ttlSeconds} s).`);
  }
  return {
    definition,
    attestor,
    selectors: [...patterns].map(([name, pattern]) => ({ name, pattern })),
    spiffeId: parseSpiffeIdTemplate(definition.spiffeId, context.trustDomain, patterns, refusing("spiffeId")),
    dnsNames: definition.dnsNames.map((text) =>
      parseDnsTemplate(text, context.trustDomain.name, patterns, refusing(`dnsNames "${text}"`)),
    ),
    ttlSeconds,
    renewAfterExpirySeconds:
      definition.renewAfterExpirySeconds ?? (attestor.kind === "join-token" ? TOKEN_RENEW_AFTER_EXPIRY_SECONDS : 0),
    maxLineageAgeSeconds,
  };
}

/** All selectors of a rule name one configured attestor instance, and attributes that it can establish. */
function findAttestor(
  definition: RuleDefinition,
  attestors: readonly AttestorDescription[],
  refuse: Refuse,
): AttestorDescription {
  const names = attestors.map((attestor) => attestor.name);
  let found: AttestorDescription | undefined;
  for (const selector of definition.match.keys()) {
    if (selector.startsWith(ASSERTED_PREFIX)) {
      refuse(`"${selector}": attributes that a host agent asserts (agent.*) are not supported by this version.`);
    }
    const split = splitAttribute(selector);
    if (split === undefined) return refuse(`"${selector}" is not of the form <attestor instance>.<attribute>.`);
    const attestor = attestors.find((candidate) => candidate.name === split.instance);
    if (attestor === undefined) {
      return refuse(
        `"${selector}": no attestor instance "${split.instance}" is configured.${nearestHint(split.instance, names)}`,
      );
    }
    if (found !== undefined && found !== attestor) {
      refuse(
        `selects on "${found.name}" and on "${attestor.name}", but evidence comes from one attestor instance at a time.`,
      );
    }
    const known = attestor.attributeNames;
    if (known !== undefined && !known.includes(split.attribute)) {
      refuse(
        `"${selector}": attestor "${attestor.name}" establishes no such attribute.${nearestHint(split.attribute, known)}`,
      );
    }
    found = attestor;
  }
  return found ?? refuse("needs at least one selector.");
}

function checkTtl(ttlSeconds: number, context: RuleContext, refuse: Refuse): void {
  const { minSeconds, maxSeconds } = context.ttl;
  if (ttlSeconds > maxSeconds) refuse(`${ttlSeconds} s is more than issuance.maxTtlSeconds (${maxSeconds} s).`);
  if (ttlSeconds < minSeconds) refuse(`${ttlSeconds} s is less than issuance.minTtlSeconds (${minSeconds} s).`);
}
