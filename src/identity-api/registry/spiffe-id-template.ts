// The SPIFFE ID of a rule. Invariant 3: names come from policy, and `/mesh-ca/**` is never given. A value may fill part of
// one path segment and nothing else: a slash, a percent sign or any other character is refused, never escaped or dropped.
import { MeshCaError } from "../../runtime/index.ts";
import { SpiffeId, type TrustDomain } from "../../spiffe/index.ts";
import type { Pattern } from "./glob.ts";
import { type Alphabet, fillAtLoad, fillWith, refusedName } from "./name-template.ts";
import { parseTemplate, type Refuse, type TemplatePart } from "./template.ts";
import type { Attributes } from "./types.ts";

/** SPIFFE-ID 2.2: the characters of a path segment (rule ID-4). */
const SEGMENT: Alphabet = { pattern: /^[a-zA-Z0-9._-]+$/, words: "letters, digits, dots, dashes and underscores" };

export interface SpiffeIdTemplate {
  readonly trustDomain: TrustDomain;
  /** The path alone: a value can never reach the trust domain. */
  readonly path: readonly TemplatePart[];
}

/** Reads the template and tries it out. Refuses an ID that could never be valid, and one that is reserved for sure. */
export function parseSpiffeIdTemplate(
  text: string,
  trustDomain: TrustDomain,
  selectors: ReadonlyMap<string, Pattern>,
  refuse: Refuse,
): SpiffeIdTemplate {
  const begin = [`spiffe://{trustDomain}/`, `${trustDomain.id}/`].find((prefix) => text.startsWith(prefix));
  if (begin === undefined) {
    return refuse(
      `must begin with "spiffe://{trustDomain}/" and go on with a path; the trust domain here is ${trustDomain.name}.`,
    );
  }
  const path = parseTemplate(text.slice(begin.length - 1), trustDomain.name, [...selectors.keys()], refuse);
  const tried = tryId(trustDomain, fillAtLoad(path, selectors, SEGMENT, refuse));
  if (tried instanceof MeshCaError) return refuse(`makes no valid SPIFFE ID. ${tried.message}`);
  if (tried.isReserved)
    return refuse("makes a reserved SPIFFE ID: /mesh-ca and everything below it belongs to mesh-ca itself.");
  return { trustDomain, path };
}

/** The ID for a caller. @throws RegistryError MCA_RULE_ATTRIBUTE_REFUSED */
export function fillSpiffeId(template: SpiffeIdTemplate, attributes: Attributes, rule: string): SpiffeId {
  const id = tryId(template.trustDomain, fillWith(template.path, attributes, SEGMENT, rule, "a SPIFFE ID"));
  if (id instanceof MeshCaError)
    throw refusedName(rule, undefined, `it would make no valid SPIFFE ID. ${id.message}`, id);
  if (id.isReserved)
    throw refusedName(rule, undefined, "it would make an ID below /mesh-ca, which belongs to mesh-ca itself.");
  return id;
}

function tryId(trustDomain: TrustDomain, path: string): SpiffeId | MeshCaError {
  try {
    return SpiffeId.of(trustDomain, path);
  } catch (error) {
    if (error instanceof MeshCaError) return error;
    throw error;
  }
}
