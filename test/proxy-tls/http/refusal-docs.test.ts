// docs/proxy.md names every rule by which the HTTP engine refuses, as the answer and the log name it, and no other.
import assert from "node:assert/strict";
import { test } from "node:test";
import { filesBelow, readProjectFile } from "../../../scripts/lib/files.ts";

const page = readProjectFile("docs/proxy.md");
const section = page.slice(page.indexOf("## HTTP: what is refused"), page.indexOf("## Retries"));
const named = new Set([...section.matchAll(/`([a-z0-9.-]+)`/g)].map(([, reason = ""]) => reason));
const source = filesBelow("src/proxy-tls/http", (path) => path.endsWith(".ts"))
  .map(readProjectFile)
  .join("\n");
/** Why a connection was ended by us, not a request refused; and what is thrown but no reason. */
const NO_REFUSALS = new Set(["flood", "internal"]);

test("every reason that a refusal is made with stands in docs/proxy.md", () => {
  const made = [
    ...source.matchAll(/(?:refused|#fail|#refuse|badRequest|badResponse|rules\.refusal)\(\s*"([a-z0-9.-]+)"/g),
    ...source.matchAll(/(?:#fail|#refuse)\([^()"]*\? "([a-z-]+)" : "[a-z-]+"/g),
    ...source.matchAll(/(?:#fail|#refuse)\([^()"]*\? "[a-z-]+" : "([a-z-]+)"/g),
    ...source.matchAll(/code: "MCA_PROXY_[A-Z_]+", reason: "([a-z0-9.-]+)"/g),
  ].map(([, reason = ""]) => reason);
  assert.ok(made.length > 60, `${made.length} found`);
  const missing = [...new Set(made)].filter((reason) => !named.has(reason) && !NO_REFUSALS.has(reason));
  assert.deepEqual(missing, []);
});

test("every reason that docs/proxy.md names is one in the source", () => {
  const literals = new Set([...source.matchAll(/"([a-z0-9.-]+)"/g)].map(([, text = ""]) => text));
  const timeout = (reason: string): boolean => reason.endsWith("-timeout") && literals.has(reason.slice(0, -8));
  assert.deepEqual(
    [...named].filter((reason) => !literals.has(reason) && !timeout(reason)),
    [],
  );
});
