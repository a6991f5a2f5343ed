// What a policy file may hold nowhere, looked for before anything is read: empty values, and text outside ASCII. An empty list is never
// "everything" and never "nothing" by accident: it is an error.
import { ProxyError } from "../errors.ts";

/** Deeper than any policy goes; bounds the recursion. */
const MAX_DEPTH = 16;

/**
 * Throws for what no policy file may hold.
 * @param value the whole file, as parsed from YAML or JSON
 * @throws ProxyError MCA_PROXY_POLICY_INVALID
 */
export function refuseUnsound(value: unknown): void {
  look(value, "", 0);
}

function look(value: unknown, path: string, depth: number): void {
  if (depth > MAX_DEPTH)
    throw invalid(path, "is nested too deeply. Policies are no deeper than rules[0].when.headers[0].");
  if (value === null || value === undefined || value === "") throw empty(path);
  if (typeof value === "string") checkText(value, path);
  if (typeof value !== "object") return;
  if (Array.isArray(value)) {
    // "No policies" is the one empty list with a meaning that nobody misreads: everything is denied.
    if (value.length === 0 && path !== "policies") throw empty(path);
    value.forEach((item: unknown, index) => {
      look(item, `${path}[${index}]`, depth + 1);
    });
    return;
  }
  const entries = Object.entries(value);
  if (entries.length === 0) throw empty(path);
  for (const [key, item] of entries) {
    checkText(key, path);
    const at = path === "" ? key : `${path}.${key}`;
    look(item, at, depth + 1);
  }
}

function checkText(text: string, path: string): void {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code >= 0x20 && code < 0x7f) continue;
    const shown = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
    throw invalid(
      path,
      `holds ${shown}. Policies are printable ASCII, because what looks alike may differ: write a path with %-encoded UTF-8 (/caf%C3%A9), a host with xn--.`,
    );
  }
}

function empty(path: string): ProxyError {
  return invalid(path, "is empty. An empty match is an error: leave the key out, or say what it has to match.");
}

function invalid(path: string, sentence: string): ProxyError {
  return new ProxyError("MCA_PROXY_POLICY_INVALID", `${path === "" ? "The policy file" : path} ${sentence}`, {
    details: { path },
  });
}
