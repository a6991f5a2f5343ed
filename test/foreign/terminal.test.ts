// Long work on a real terminal: the program runs on a pseudo terminal, which util-linux's `script` allocates.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { projectRoot } from "../../scripts/lib/command.ts";
import { temporaryFolder } from "../support/postgres.ts";

const ESCAPE = "\u001b";
const CLEAR = `\r${ESCAPE}[K`;

/** What a terminal is sent while the program runs on it. */
async function onTerminal(command: string, env: Readonly<Record<string, string>> = {}) {
  const child = spawn("script", ["--quiet", "--return", "--flush", "--command", command, "/dev/null"], {
    cwd: projectRoot,
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], TERM: "xterm-256color", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
  });
  const [code] = await once(child, "close");
  return { code, shown };
}

const mesh = (words: string) => `'${process.execPath}' src/cli/main.ts ${words}`;

async function initialised(env: Readonly<Record<string, string>>, redirect = "") {
  const folder = await temporaryFolder("mesh-ca-terminal-");
  const result = await onTerminal(mesh(`init --development --data-dir ${join(folder, "data")} ${redirect}`), env);
  return { folder, ...result, close: () => rm(folder, { recursive: true, force: true }) };
}

test("work that takes long says what it does and for how long, and leaves nothing of that behind", async () => {
  const { code, shown, close } = await initialised({});
  await close();
  assert.equal(code, 0, shown);
  const frames = [
    ...shown.replaceAll(ESCAPE, "<ESC>").matchAll(/\r[|/\\-] preparing the trust domain, (\d+) s<ESC>\[K/g),
  ];
  assert.ok(frames.length >= 2, JSON.stringify(shown));
  const cleared = shown.lastIndexOf(CLEAR);
  assert.ok(cleared > shown.lastIndexOf("preparing"), "the line is cleared after the last of them");
  assert.match(shown.slice(cleared + CLEAR.length), /^trust domain/, "and the answer begins where the line began");
});

test("standard output, when it goes elsewhere, holds the answer alone", async () => {
  const out = join(await temporaryFolder("mesh-ca-terminal-"), "out.json");
  const { code, shown, close } = await initialised({ OUT: out }, '--json > "$OUT"');
  await close();
  assert.equal(code, 0, shown);
  assert.match(shown, /preparing the trust domain/);
  assert.equal(typeof JSON.parse(await readFile(out, "utf8")).authority, "string");
  await rm(dirname(out), { recursive: true });
});

test("a terminal that cannot clear its line is sent no frames", async () => {
  const { code, shown, close } = await initialised({ TERM: "dumb" });
  await close();
  assert.equal(code, 0, shown);
  assert.ok(!shown.includes("preparing") && !shown.includes(ESCAPE), JSON.stringify(shown));
});

test("quick work shows nothing but its answer", async () => {
  const { code, shown } = await onTerminal(mesh("config schema --help"));
  assert.equal(code, 0, shown);
  assert.ok(!shown.includes(ESCAPE), JSON.stringify(shown));
});
