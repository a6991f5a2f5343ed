// How our encoder writes fields, by name (RFC 7541 sections 6.2 and 7.1.3).
import { STATIC_ENTRIES, STATIC_FIELDS } from "./static-table.ts";

/**
 * "indexed": found in a table or added to ours. "plain": its value changes with every call, so that adding it would only push others out.
 * "never": a credential; it is in no table of ours, and who passes it on must not put it into one (section 7.1.3: a table that holds a secret
 * tells whoever can add fields beside it, by their size, whether he guessed it).
 */
export type Writing = "indexed" | "plain" | "never";

/** Names of credentials, which are marked whoever sends them and however. */
export const CREDENTIALS: ReadonlySet<string> = new Set([
  ...["authorization", "proxy-authorization", "cookie", "set-cookie"],
]);

const PLAIN = new Set([
  ...[":path", "age", "content-length", "date", "etag", "last-modified"],
  ...[
    "grpc-message",
    "grpc-status-details-bin",
    "grpc-timeout",
    "mca-request-id",
    "traceparent",
    "tracestate",
    "x-request-id",
  ],
]);

export interface NameRule {
  readonly writing: Writing;
  /** The first static entry of the name; 0: none. */
  readonly staticIndex: number;
  /** Values of that entry and of those behind it that have the same name. */
  readonly staticValues: readonly string[];
}

/** For every name that no rule is for. */
export const OTHER_NAMES: NameRule = { writing: "indexed", staticIndex: 0, staticValues: [] };

export const NAME_RULES: ReadonlyMap<string, NameRule> = nameRules();

function nameRules(): Map<string, NameRule> {
  const rules = new Map<string, NameRule>();
  const writing = (name: string): Writing => (CREDENTIALS.has(name) ? "never" : PLAIN.has(name) ? "plain" : "indexed");
  for (const name of [...CREDENTIALS, ...PLAIN]) {
    rules.set(name, { writing: writing(name), staticIndex: 0, staticValues: [] });
  }
  for (let entry = STATIC_ENTRIES; entry >= 1; entry -= 1) {
    const name = STATIC_FIELDS[2 * entry - 2] ?? "";
    const later = rules.get(name)?.staticValues ?? [];
    const staticValues = [STATIC_FIELDS[2 * entry - 1] ?? "", ...later];
    rules.set(name, { writing: writing(name), staticIndex: entry, staticValues });
  }
  return rules;
}
