// The log: no secret, no lost line.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createLogger, MeshCaError } from "../../src/runtime/index.ts";

class SomeError extends MeshCaError<"MCA_SOME"> {}

function capture(): { lines: Record<string, unknown>[]; destination: { write(line: string): void } } {
  const lines: Record<string, unknown>[] = [];
  return { lines, destination: { write: (line) => void lines.push(JSON.parse(line)) } };
}

test("a line carries its level, its time, its event and its fields", () => {
  const { lines, destination } = capture();
  createLogger({ level: "info", destination })
    .child({ replica: 1 })
    .info({ event: "svid.issued", serial: "01" }, "issued");
  const [line] = lines;
  assert.equal(line?.["level"], "info");
  assert.equal(line?.["event"], "svid.issued");
  assert.equal(line?.["serial"], "01");
  assert.equal(line?.["replica"], 1);
  assert.match(String(line?.["time"]), /^\d{4}-.*Z$/);
});

test("fields that would carry a secret are struck out, also one level below", () => {
  const { lines, destination } = capture();
  const logger = createLogger({ level: "info", destination });
  logger.info(
    { event: "x", token: "t0psecret", request: { csr: "t0psecret", jwt: "t0psecret" }, password: "t0psecret" },
    "m",
  );
  logger.child({ secret: "t0psecret", peer: { key: "t0psecret" } }).warn({ event: "y", pem: "t0psecret" }, "m");
  assert.equal(lines.length, 2);
  assert.equal(JSON.stringify(lines).includes("t0psecret"), false);
});

test("an error is written with its code and causes, and without a password in a URL or a join token", () => {
  const { lines, destination } = capture();
  const cause = new Error("connect postgresql://user:t0psecret@db/x failed for mcajt1.t0psecret");
  createLogger({ level: "info", destination }).error(
    { event: "x", error: new SomeError("MCA_SOME", "Mend it.", { cause, details: { a: "b" } }) },
    "m",
  );
  const text = JSON.stringify(lines);
  assert.equal(text.includes("t0psecret"), false);
  assert.ok(text.includes("MCA_SOME") && text.includes("postgresql://user:[secret]@db/x"), text);
});

test("an error whose causes form a ring is still one line", () => {
  const { lines, destination } = capture();
  const error = new Error("a");
  error.cause = error;
  createLogger({ level: "info", destination }).error({ event: "x", error }, "m");
  assert.equal(lines.length, 1);
});

test("no line is lost when the process ends at once", () => {
  const program = `
    import { createLogger } from ${JSON.stringify(new URL("../../src/runtime/index.ts", import.meta.url).href)};
    const logger = createLogger({ level: "info" });
    for (let n = 0; n < 5000; n++) logger.info({ event: "x", n }, "line");
    process.kill(process.pid, "SIGKILL");`;
  const { stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], { maxBuffer: 1 << 26 });
  const lines = stderr.toString().trim().split("\n");
  assert.equal(lines.length, 5000);
  assert.equal(JSON.parse(lines.at(-1) ?? "{}").n, 4999);
});

const LOGGING = `
import { createLogger } from ${JSON.stringify(new URL("../../src/runtime/index.ts", import.meta.url).href)};
const logger = createLogger({ level: "info" });
for (let index = 0; index < 3000; index += 1) logger.info({ event: "x", filler: "\u00e4".repeat(200) }, "m");
process.stdout.write("alive");
`;

function logInto(descriptor: number): { readonly code: number | null; readonly said: string } {
  const { status, stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", LOGGING], {
    stdio: ["ignore", "pipe", descriptor],
    timeout: 20_000,
  });
  return { code: status, said: stdout.toString() };
}

test("a disk that is full ends nobody", () => {
  const full = openSync("/dev/full", "w");
  assert.deepEqual(logInto(full), { code: 0, said: "alive" });
  closeSync(full);
});

test("a pipe that nobody empties stops nobody, and holds whole lines of ASCII", () => {
  const folder = mkdtempSync(join(tmpdir(), "mesh-ca-log-"));
  const path = join(folder, "pipe");
  spawnSync("mkfifo", [path]);
  // Open for both, so that it has a reader who never reads.
  const pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  assert.deepEqual(logInto(pipe), { code: 0, said: "alive" });
  const bytes = Buffer.alloc(65_536);
  const lines = bytes.toString("latin1", 0, readSync(pipe, bytes)).split("\n").slice(0, -1);
  assert.ok(lines.length > 10);
  for (const line of lines) assert.equal(JSON.parse(line).filler, "\u00e4".repeat(200));
  closeSync(pipe);
  rmSync(folder, { recursive: true });
});
