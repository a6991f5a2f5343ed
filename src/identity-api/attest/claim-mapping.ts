// Which claims of a JWT become which attributes. A path is plain names, with dots between them and `\.` for a dot inside a name;
// there are no wildcards, indexes or expressions. A claim that is not there establishes nothing; one that is no single value
// (a list, an object) is refused, so that a rule never meets half of what was said.
import type { JsonObject, JsonValue } from "../../spiffe/index.ts";
import { attributeNameProblem, attributeValueProblem, MAX_ATTRIBUTES } from "./attributes.ts";
import { AttestError } from "./errors.ts";

export interface ClaimMapping {
  readonly attribute: string;
  readonly path: readonly string[];
  /** Refuse a token without it. */
  readonly required: boolean;
}

const KUBERNETES = "kubernetes.io";
/** Claims of a Kubernetes service-account token; `pod` only where the token is bound to one. */
export const kubernetesMapping: readonly ClaimMapping[] = [
  { attribute: "namespace", path: [KUBERNETES, "namespace"], required: true },
  { attribute: "serviceAccount", path: [KUBERNETES, "serviceaccount", "name"], required: true },
  { attribute: "pod", path: [KUBERNETES, "pod", "name"], required: false },
];

/** Reads the configuration's `claims`; `taken` are attributes that the preset establishes. What is wrong goes to `refuse`. */
export function parseClaimMapping(
  claims: Readonly<Record<string, string>>,
  taken: readonly string[],
  refuse: (sentence: string) => never,
): readonly ClaimMapping[] {
  const entries = Object.entries(claims);
  if (entries.length + taken.length > MAX_ATTRIBUTES) refuse(`claims: maps more than ${MAX_ATTRIBUTES} attributes.`);
  return entries.map(([attribute, text]) => {
    const problem = attributeNameProblem(attribute);
    if (problem !== undefined) refuse(`claims: the attribute name ${JSON.stringify(attribute)} ${problem}.`);
    if (taken.includes(attribute)) refuse(`claims: "${attribute}" is already established; choose another name.`);
    const path = splitPath(text);
    if (path.length === 0 || path.length > 8 || path.includes("")) {
      refuse(`claims: the path of "${attribute}" is not 1 to 8 names with dots between them.`);
    }
    return { attribute, path, required: false };
  });
}

/** "kubernetes\.io.pod.name" is ["kubernetes.io", "pod", "name"]. */
function splitPath(text: string): readonly string[] {
  const names: string[] = [];
  let name = "";
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === "\\" && (text[at + 1] === "." || text[at + 1] === "\\")) name += text.charAt(++at);
    else if (character === ".") {
      names.push(name);
      name = "";
    } else name += character;
  }
  return [...names, name];
}

/** The attributes that the claims establish. @throws AttestError MCA_EVIDENCE_REFUSED */
export function mapClaims(claims: JsonObject, mappings: readonly ClaimMapping[]): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>();
  for (const { attribute, path, required } of mappings) {
    const value = textOf(attribute, lookUp(claims, path));
    if (value !== undefined) attributes.set(attribute, value);
    else if (required) throw refused(`it lacks the claim ${path.join(" / ")}`);
  }
  return attributes;
}

function lookUp(claims: JsonObject, path: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = claims;
  for (const name of path) value = value instanceof Map ? value.get(name) : undefined;
  return value;
}

function textOf(attribute: string, value: JsonValue | undefined): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "object") throw refused(`the claim for "${attribute}" is a list or an object, not one value`);
  const text = String(value);
  const problem = attributeValueProblem(text);
  if (problem !== undefined) throw refused(`the claim for "${attribute}" ${problem}`);
  return text;
}

function refused(why: string): AttestError {
  return new AttestError("MCA_EVIDENCE_REFUSED", `The token is genuine but cannot be used: ${why}.`);
}
