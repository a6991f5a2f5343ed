// The conditions of a rule, compiled, and what each of them says of a connection or a request. A condition knows three answers: what it
// looks at may not be there, or may be there twice and disagree. That is `unknown`, also for its `not`: it counts as a match for deny and
// audit, and as no match for allow, so that leaving something out never opens anything.
import type { ConnectionPolicyInput, HttpPolicyInput } from "./decision.ts";
import { type Address, parseAddress } from "./match/cidrs.ts";
import type { Matcher } from "./match/matcher.ts";

export type Outcome = "match" | "no-match" | "unknown";

interface Described {
  /** Where it stands in a rule: "to.notPaths", "when.headers[0].values". */
  readonly key: string;
  readonly negated: boolean;
  /** As it was written. */
  readonly values: readonly string[];
}

/** Looks at what is the same for a whole connection. */
export type ConnectionCondition = Described &
  (
    | { readonly kind: "id"; readonly matcher: Matcher<string> }
    | { readonly kind: "port"; readonly matcher: Matcher<number> }
    | { readonly kind: "source"; readonly matcher: Matcher<Address> }
  );

/** Looks at a request. */
export type RequestCondition = Described &
  (
    | { readonly kind: "method" | "host" | "path"; readonly matcher: Matcher<string> }
    | { readonly kind: "header"; readonly name: string; readonly matcher: Matcher<string> }
    | { readonly kind: "presence"; readonly name: string }
  );

/** Texts made once for each connection. */
export interface ConnectionAttributes {
  readonly id: string | undefined;
  readonly port: number | undefined;
  readonly source: Address | undefined;
}

/** What conditions look at, from what a connection says. */
export function attributesOf(connection: ConnectionPolicyInput): ConnectionAttributes {
  const { principal, port, sourceAddress } = connection;
  return {
    id: principal?.toString(),
    port,
    source: sourceAddress === undefined ? undefined : parseAddress(sourceAddress),
  };
}

export function connectionOutcome(condition: ConnectionCondition, attributes: ConnectionAttributes): Outcome {
  switch (condition.kind) {
    case "id":
      return outcome(condition.matcher, attributes.id, condition.negated);
    case "port":
      return outcome(condition.matcher, attributes.port, condition.negated);
    case "source":
      return outcome(condition.matcher, attributes.source, condition.negated);
  }
}

/** @param http undefined: on a tcp listener, where nothing of it is known */
export function requestOutcome(condition: RequestCondition, http: HttpPolicyInput | undefined): Outcome {
  if (http === undefined) return "unknown";
  switch (condition.kind) {
    case "method":
      return textOutcome(condition.matcher, http.method, condition.negated);
    case "host":
      return textOutcome(condition.matcher, http.authority, condition.negated);
    case "path":
      return textOutcome(condition.matcher, http.path, condition.negated);
    case "header":
      return headerOutcome(condition.matcher, condition.name, http.fields, condition.negated);
    case "presence":
      return hasField(http.fields, condition.name) === condition.negated ? "no-match" : "match";
  }
}

/** Whether all of them match, where `unknown` counts as `missing` says. */
export function matchesAll(
  conditions: readonly RequestCondition[],
  http: HttpPolicyInput | undefined,
  missing: boolean,
): boolean {
  for (const condition of conditions) {
    if (!counts(requestOutcome(condition, http), missing)) return false;
  }
  return true;
}

export function counts(outcome: Outcome, missing: boolean): boolean {
  return outcome === "match" || (missing && outcome === "unknown");
}

function outcome<Value>(matcher: Matcher<Value>, value: Value | undefined, negated: boolean): Outcome {
  if (value === undefined) return "unknown";
  return matcher.matches(value) === negated ? "no-match" : "match";
}

/** An empty text is no method, host or path: it is missing. */
function textOutcome(matcher: Matcher<string>, value: string, negated: boolean): Outcome {
  return outcome(matcher, value === "" ? undefined : value, negated);
}

/** Each value for itself, never joined. Where they disagree nobody knows which of them the application takes. */
function headerOutcome(matcher: Matcher<string>, name: string, fields: readonly string[], negated: boolean): Outcome {
  let all: Outcome = "unknown";
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index] !== name) continue;
    const one = outcome(matcher, fields[index + 1], negated);
    if (all !== "unknown" && one !== all) return "unknown";
    all = one;
  }
  return all;
}

function hasField(fields: readonly string[], name: string): boolean {
  for (let index = 0; index < fields.length; index += 2) if (fields[index] === name) return true;
  return false;
}
