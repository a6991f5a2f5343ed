// The parts that only a server which may act has. A server whose database belongs to another trust domain, or whose authority
// cannot be used, has not all of them: it answers what it can and says why it does not do the rest (invariant 2).
import type { Issuer } from "../ca/index.ts";
import type { MeshCaError } from "../runtime/index.ts";
import { ApiError } from "./api-error.ts";
import type { Attestors, JoinTokens } from "./attest/index.ts";
import type { RecordedSvids } from "./recorded-svids.ts";
import type { Registry } from "./registry/index.ts";
import type { SvidIssuance } from "./svid-issuance.ts";

export interface ActingParts {
  readonly attestors: Attestors;
  readonly registry: Registry;
  readonly tokens: JoinTokens;
  readonly issuance: SvidIssuance;
  readonly issuer: Issuer;
  readonly records: RecordedSvids;
}

/** Either everything is there, or the reason why not. */
export type Acting =
  | { readonly kind: "acting"; readonly parts: ActingParts }
  | { readonly kind: "not-acting"; readonly error: MeshCaError };

/** The parts, or the reason why there are none. @throws MeshCaError */
export function requireParts(acting: Acting): ActingParts {
  if (acting.kind === "acting") return acting.parts;
  throw acting.error;
}

/** The error for what was found where something else was expected (invariant 2). */
export function notIssuing(facts: {
  readonly code: string;
  readonly found: string;
  readonly expected: string;
  readonly command: string;
}): ApiError {
  return new ApiError(
    "MCA_NOT_ISSUING",
    `This server issues nothing (${facts.code}): found ${facts.found}, expected ${facts.expected}. To mend it: ${facts.command}`,
    { details: { reason: facts.code, found: facts.found, expected: facts.expected, command: facts.command } },
  );
}
