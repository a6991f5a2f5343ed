// What README.md, docs/proxy.md and examples/ show is what the proxy takes: configurations and the policies beside them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readProjectFile } from "../../../scripts/lib/files.ts";
import { parseProxyConfig } from "../../../src/proxy-tls/config/index.ts";
import { checkPolicies } from "../../../src/proxy-tls/policy/check.ts";
import { parsePolicies } from "../../../src/proxy-tls/policy/parse.ts";
import { parseConfigText } from "../../../src/runtime/config/index.ts";

/** The YAML blocks of a page that are the proxy's: a configuration, then its policies. */
function blocksOf(page: string): { readonly config: string; readonly policies: string } {
  const blocks = [...readProjectFile(page).matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, block = ""]) => block);
  const config = blocks.find((block) => /^listeners:/m.test(block));
  const policies = blocks.find((block) => /^policies:/m.test(block));
  assert.ok(config !== undefined && policies !== undefined, page);
  return { config, policies };
}

function check(name: string, config: string, policies: string): void {
  const { listeners } = parseProxyConfig(parseConfigText(config, name));
  const set = parsePolicies(parseConfigText(policies, name));
  checkPolicies(set, listeners);
  assert.ok(set.policies.length > 0);
}

for (const page of ["README.md", "docs/proxy.md"]) {
  test(`${page} shows a configuration and policies that the proxy takes`, () => {
    const { config, policies } = blocksOf(page);
    check(page, config, policies);
  });
}

test("examples/two-services has configurations and policies that the proxy takes, each on ports of its own", () => {
  const folder = "examples/two-services";
  const policies = readProjectFile(`${folder}/policies.yaml`);
  for (const name of ["cart", "web"]) {
    const config = readProjectFile(`${folder}/${name}-proxy.yaml`);
    if (name === "cart") check(name, config, policies);
    else parseProxyConfig(parseConfigText(config, name));
  }
});

test("the log line that docs/proxy.md shows has the fields that a line has", () => {
  const [, line = ""] = /^```json\n([\s\S]*?)^```/m.exec(readProjectFile("docs/proxy.md")) ?? [];
  const shown = JSON.parse(line);
  const source = readProjectFile("src/proxy-tls/observe/access-line.ts");
  for (const name of Object.keys(shown)) assert.ok(source.includes(`"${name}":`), name);
});
