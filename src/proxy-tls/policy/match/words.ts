// Methods and header fields of a policy: what no request can carry to a policy is refused, because it would never match.
import { isMethod } from "../../http/fields/method.ts";
import { isForwarded } from "../../http/fields/roles.ts";
import { checkField } from "../../http/fields/safe-fields.ts";
import type { Refuse } from "./matcher.ts";

/** Checks methods. They are case-sensitive, and requests have them in upper case. */
export function methods(values: readonly string[], refuse: Refuse): readonly string[] {
  values.forEach((value, index) => {
    if (isMethod(value)) return;
    refuse(
      index,
      "No request has this method: 1 to 20 of A-Z and -. Methods are case-sensitive, and there is no wildcard.",
    );
  });
  return values;
}

/** The name in lower case. */
export function headerName(text: string, refuse: (sentence: string) => never): string {
  const name = text.toLowerCase();
  if (name === "host") return refuse("host is matched by to.hosts.");
  if (!isForwarded(name)) {
    return refuse(
      `Policies do not see ${name}: the proxy takes it away or reads it itself, so that it would always be missing.`,
    );
  }
  return name;
}

/** Checks values: they are compared exactly. */
export function headerValues(values: readonly string[], refuse: Refuse): readonly string[] {
  values.forEach((value, index) => {
    if (!checkField("x", value)) {
      refuse(index, "No request has this value: white space at its ends is no part of it.");
    }
    if (value.includes("*")) refuse(index, "Values of header fields are compared exactly: there is no *.");
  });
  return values;
}
