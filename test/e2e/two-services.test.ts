// examples/two-services as its README has it: run by its one command, every curl line answers what the text around it says.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { projectRoot } from "../../scripts/lib/command.ts";
import { readProjectFile } from "../../scripts/lib/files.ts";
import { curl } from "../support/curl.ts";
import { until } from "../support/until.ts";

const EXAMPLE = "examples/two-services";

/** What each line of the README has to answer, in its order. */
const EXPECTED: readonly RegExp[] = [
  /^web asked cart, and cart answered: \{"items":\["apple","pear"\],"youAre":"By=spiffe:\/\/example\.test\/cart;Hash=[0-9a-f]{64};URI=spiffe:\/\/example\.test\/web"\}\n$/,
  /^HTTP\/1\.1 200 [\s\S]*"apple"/,
  /^HTTP\/1\.1 421 [\s\S]*\{"code":"MCA_PROXY_MISDIRECTED","reason":"authority"\}/,
  /^HTTP\/1\.1 403 [\s\S]*\{"code":"MCA_PROXY_DENIED","reason":"denied"\}\n?$/,
  /^HTTP\/1\.1 403 [\s\S]*\{"code":"MCA_PROXY_DENIED","reason":"default-deny"\}\n?$/,
  /^HTTP\/1\.1 400 [\s\S]*\{"code":"MCA_PROXY_REQUEST_REFUSED","reason":"dot-segment"\}/,
  /"x-forwarded-client-cert": "By=spiffe:\/\/example\.test\/cart;Hash=[0-9a-f]{64};URI=spiffe:\/\/example\.test\/web"/,
  /^$/,
  /"spiffeId":"spiffe:\/\/example\.test\/cart"[\s\S]*"name":"example\.test"/,
  /^mesh_ca_proxy_decisions_total\{listener="cart",effect="deny",reason="denied",policy="nobody-administers"\} 1$/m,
];

test("the example does what its README says, rotates while it is asked, and leaves nothing behind", {
  timeout: 120_000,
}, async () => {
  const lines = readProjectFile(`${EXAMPLE}/README.md`)
    .split("\n")
    .filter((line) => line.startsWith("curl "));
  assert.equal(lines.length, EXPECTED.length);
  const run = spawn(process.execPath, [join(projectRoot, EXAMPLE, "run.ts"), "6"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exit = new Promise<number | null>((resolve) => run.once("exit", resolve));
  let said = "";
  for (const stream of [run.stdout, run.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  try {
    await until(() => said.includes("\nReady.") || run.exitCode !== null, "the example is ready");
    assert.equal(run.exitCode, null, said);
    for (const [index, line] of lines.entries()) {
      const answer = await curl(line);
      assert.match(answer, EXPECTED[index] ?? /^$/, line);
      assert.doesNotMatch(answer.replace(/^mesh_ca_.*$/gm, ""), /nobody-administers|web-reads/, "no policy's text");
    }
    const headers = lines.find((line) => line.includes("/headers")) ?? "";
    const hash = async () => /Hash=([0-9a-f]{64})/.exec(await curl(headers))?.[1];
    const first = await hash();
    await until(async () => (await hash()) !== first, "web's certificate is another one");
    const denied = said.split("\n").find((line) => line.includes('"nobody-administers"')) ?? "";
    assert.equal(JSON.parse(denied).decision.policy, "nobody-administers", "the access log says which policy");

    const explain = ["proxy", "explain", "--config", "cart-proxy.yaml", "--from", "spiffe://example.test/web"];
    const asked = [join(projectRoot, "src/cli/main.ts"), ...explain, "--method", "GET", "--path", "/admin"];
    const options = { cwd: join(projectRoot, EXAMPLE) };
    const { stdout } = await promisify(execFile)(process.execPath, asked, options).catch(
      (error: { stdout: string; stderr: string }) => error,
    );
    assert.match(stdout, /nobody-administers/);
  } finally {
    run.kill("SIGINT");
    assert.equal(await exit, 0, said);
  }
  assert.equal(existsSync(join(projectRoot, EXAMPLE, "run")), false);
});
