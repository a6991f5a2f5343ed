// `mesh-ca proxy explain` as an operator calls it.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { cli } from "./run.ts";

let folder: string;
let config: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "mesh-ca-explain-"));
  config = join(folder, "proxy.yaml");
  const listener = { direction: "inbound", name: "web", protocol: "http", port: 8443, target: { port: 8080 } };
  const policies = [
    {
      ...{ name: "shop-reads", action: "allow" },
      rules: [{ from: { ids: ["spiffe://example.test/ns/shop/**"] }, to: { methods: ["GET"], paths: ["/items/**"] } }],
    },
  ];
  await writeFile(join(folder, "policies.json"), JSON.stringify({ policies }));
  await writeFile(
    config,
    JSON.stringify({
      identity: { kind: "files", certificateFile: "/c.pem", keyFile: "/k.pem", trustFile: "/t.json" },
      ...{ listeners: [listener], policyFile: join(folder, "policies.json") },
    }),
  );
});

after(() => rm(folder, { recursive: true }));

test("people read a sentence and the trace, programs the decision, and a wrong call ends with 2", async () => {
  const call = ["proxy", "explain", "-c", config, "--from", "spiffe://example.test/ns/shop/sa/cart"];
  const [people, program, wrong] = await Promise.all([
    cli([...call, "--path", "/items/1?x=2"]),
    cli([...call, "--method", "POST", "--path", "/items/1", "--json"]),
    cli([...call, "--listener", "nowhere"]),
  ]);
  assert.equal(people.code, 0, people.stderr);
  assert.match(
    people.stdout,
    /sa\/cart at web: GET localhost \/items\/1\nAllowed by the policy shop-reads, rules\[0\]\./,
  );
  assert.match(people.stdout, /to\.methods: yes: GET is one of GET/);
  const { decision, policies } = JSON.parse(program.stdout);
  assert.deepEqual(decision, { effect: "deny", reason: "default-deny", dryRun: [], audit: [] });
  assert.equal(policies[0].matched, false);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /There are web\. \(MCA_CLI_USAGE\)/);
});

test("proxy check tells who may call what; policies that do not load end it with 2 and name the key", async () => {
  const bad = join(folder, "bad.yaml");
  const broken = join(folder, "broken.json");
  await writeFile(
    broken,
    JSON.stringify({ policies: [{ name: "p", action: "allow", rules: [{ to: { paths: [] } }] }] }),
  );
  await writeFile(bad, (await readFile(config, "utf8")).replace("policies.json", "broken.json"));
  const [good, refused] = await Promise.all([
    cli(["proxy", "check", "-c", config]),
    cli(["proxy", "check", "-c", bad]),
  ]);
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stdout, /shop-reads: allows spiffe:\/\/example\.test\/ns\/shop\/\*\*, GET on \/items\/\*\*/);
  assert.match(good.stdout, /^Note: the identity cannot be used now: .*ENOENT.*\(MCA_PROXY_FILE\)$/m);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /policies\[0\]\.rules\[0\]\.to\.paths is empty.*\(MCA_PROXY_POLICY_INVALID\)/);
});
