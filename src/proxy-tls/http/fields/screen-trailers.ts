// Trailers pass by an allow-list: they come after everything was decided, and many programs merge them into the head. Others are dropped
// and counted; those that are ours to say are refused.
import { keepMarks } from "../../../http2/index.ts";
import type { FieldList } from "../exchange.ts";
import { RefusedError } from "../refusal.ts";
import * as roles from "./roles.ts";
import type { TrailerRules } from "./rules.ts";
import { checkField, markChecked, NO_SAFE_FIELDS, type SafeFields } from "./safe-fields.ts";

/**
 * Screens the trailers of a request or of a response, by the rules of either.
 * @throws RefusedError 400 for a request, 502 for a response
 */
export function screenTrailers(trailers: FieldList, rules: TrailerRules): SafeFields {
  if (trailers.length === 0) return NO_SAFE_FIELDS;
  const kept: string[] = [];
  keepMarks(kept, trailers);
  for (let index = 0; index < trailers.length; index += 2) {
    const name = trailers[index] ?? "";
    const value = trailers[index + 1] ?? "";
    const role = rules.roles.roleOf(name);
    if (!checkField(name, value)) throw new RefusedError(rules.refusal("trailer-value"));
    if ((role & roles.ACTION) === roles.PROTECTED) throw new RefusedError(rules.refusal("protected-trailer"));
    if (passes(name, role, rules)) kept.push(name, value);
    else rules.count("dropped-trailer");
  }
  markChecked(kept);
  return kept;
}

/** A field that means something in a head has no business behind the body, whatever a listener says. */
function passes(name: string, role: number, rules: TrailerRules): boolean {
  const grpc = name.startsWith("grpc-");
  if (grpc && rules.grpcTrailers) return true;
  // What a policy looks at was decided in the head, gRPC's own fields included.
  const unwanted = role & (roles.ACTION | (grpc ? roles.NAMED : roles.MEANS));
  return unwanted === roles.PASS && rules.trailers.has(name);
}
