// Where lines go: one write for those of a moment, pieces that a pipe takes whole, and what happens when nobody reads.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { LineSink, PIPE_PIECE_BYTES, writerTo } from "../../src/runtime/line-sink.ts";

/** A reader that can stop reading, and a world that can fail. */
function fakeWriter(options: { readonly waitMs?: number } = {}) {
  const state = { pieces: [] as string[], fault: undefined as string | undefined, tries: 0, room: 0 };
  const write = (piece: string): number => {
    state.tries += 1;
    const taken = state.fault === undefined ? piece : piece.slice(0, state.room);
    if (taken === "") throw Object.assign(new Error(state.fault), { code: state.fault });
    if (state.fault !== undefined) state.room -= taken.length;
    state.pieces.push(taken);
    return taken.length;
  };
  const sink = new LineSink({ ...options, write, pieceBytes: PIPE_PIECE_BYTES, lost: (lines) => `lost ${lines}\n` });
  return { state, sink };
}

async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!holds()) {
    assert.ok(performance.now() < end, "it never came");
    await turn();
  }
}

test("lines of some milliseconds are written together, over turns of the loop", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { state, sink } = fakeWriter();
  sink.line("one\n");
  await turn();
  sink.line("two\n");
  assert.deepEqual(state.pieces, []);
  context.mock.timers.tick(5);
  assert.deepEqual(state.pieces, ["one\ntwo\n"]);
  sink.line("three\n");
  context.mock.timers.tick(4);
  assert.equal(state.pieces.length, 1);
  context.mock.timers.tick(1);
  assert.deepEqual(state.pieces, ["one\ntwo\n", "three\n"]);
  sink.close();
});

test("a regular file is given more at once than a pipe", () => {
  const folder = mkdtempSync(join(tmpdir(), "line-sink-"));
  const fd = openSync(join(folder, "log"), "a");
  const writer = writerTo(fd);
  assert.ok(writer.pieceBytes > PIPE_PIECE_BYTES);
  writer.write(`${"x".repeat(writer.pieceBytes - 1)}\n`);
  assert.equal(readFileSync(join(folder, "log")).length, writer.pieceBytes);
  writer.close();
  closeSync(fd);
  rmSync(folder, { recursive: true });
});

test("a piece is never larger than what a pipe takes whole, and never cuts a line", () => {
  const { state, sink } = fakeWriter();
  const lines = Array.from({ length: 50 }, (_, index) => `${index}${"x".repeat(997)}\n`);
  for (const line of lines) sink.line(line);
  const long = `${"y".repeat(2 * PIPE_PIECE_BYTES)}\n`;
  sink.line(long);
  sink.line("end\n");
  sink.close();
  assert.equal(state.pieces.join(""), [...lines, long, "end\n"].join(""));
  for (const piece of state.pieces) {
    assert.ok(piece.endsWith("\n"));
    assert.ok(piece.length <= PIPE_PIECE_BYTES || piece === long);
  }
});

test("what a slow reader does not take is held in order and written later", async () => {
  const { state, sink } = fakeWriter();
  state.fault = "EAGAIN";
  const lines = Array.from({ length: 100 }, (_, index) => `${index} ${"x".repeat(300)}\n`);
  for (const line of lines) sink.line(line);
  await until(() => state.tries > 2);
  state.fault = undefined;
  await until(() => state.pieces.join("").length === lines.join("").length);
  assert.equal(state.pieces.join(""), lines.join(""));
  assert.equal(sink.lost, 0);
  sink.close();
});

test("beyond a bound lines are left out, counted, and told of as soon as somebody reads again", async () => {
  const { state, sink } = fakeWriter();
  state.fault = "EAGAIN";
  const line = `${"x".repeat(999)}\n`;
  for (let index = 0; index < 3_000; index += 1) sink.line(line);
  const kept = 3_000 - sink.lost;
  assert.ok(kept > 1_000 && kept < 1_100, `${kept} lines of 1,000 bytes are held`);
  const { lost } = sink;
  state.fault = undefined;
  await until(() => state.pieces.some((piece) => piece.includes("lost")));
  sink.line("after\n");
  sink.close();
  const written = state.pieces.join("").split("\n").slice(0, -1);
  assert.equal(written.filter((text) => `${text}\n` === line).length, kept);
  assert.deepEqual(
    written.filter((text) => !text.startsWith("x")),
    [`lost ${lost}`, "after"],
  );
});

test("a write that fails for good loses its lines, counts them, and throws nothing", async () => {
  const { state, sink } = fakeWriter();
  state.fault = "ENOSPC";
  sink.line("one\n");
  sink.line("two\n");
  await until(() => sink.lost === 2);
  state.fault = undefined;
  sink.line("three\n");
  sink.close();
  assert.deepEqual(state.pieces, ["lost 2\n", "three\n"]);
});

test("lost lines are told of when that can be written: a write that fails meanwhile forgets none and counts none twice", async () => {
  const { state, sink } = fakeWriter();
  state.fault = "ENOSPC";
  sink.line("one\n");
  sink.line("two\n");
  await until(() => sink.lost === 2);
  sink.line("three\n");
  await until(() => sink.lost === 3);
  state.fault = undefined;
  sink.line(`${"x".repeat(PIPE_PIECE_BYTES - 1)}\n`);
  sink.close();
  assert.deepEqual(
    state.pieces.map(({ length }) => length),
    ["lost 3\n".length, PIPE_PIECE_BYTES],
  );
  assert.equal(sink.lost, 3);
});

test("of a line that is taken in parts each octet is written once, also where the rest has to wait", async () => {
  const { state, sink } = fakeWriter();
  state.fault = "EAGAIN";
  state.room = 5;
  const text = `${"long".repeat(3_000)}\n`;
  sink.line(text);
  sink.line("next\n");
  await until(() => state.tries > 3);
  assert.equal(state.pieces.join(""), text.slice(0, 5));
  state.fault = undefined;
  await until(() => state.pieces.join("").endsWith("next\n"));
  assert.equal(state.pieces.join(""), `${text}next\n`);
  assert.equal(sink.lost, 0);
  sink.close();
});

test("a disk that is full in the middle of a line costs that line and those behind it, and never the next one", async () => {
  const { state, sink } = fakeWriter();
  state.fault = "ENOSPC";
  state.room = 6;
  for (const line of ["one\n", "two\n", "three\n"]) sink.line(line);
  await until(() => sink.lost === 2);
  state.fault = undefined;
  sink.line("four\n");
  sink.close();
  assert.deepEqual(state.pieces.join("").split("\n"), ["one", "tw", "lost 2", "four", ""]);
});

test("lines that are written when they are given wait for a slow reader, once, until he has caught up", async () => {
  const { state, sink } = fakeWriter({ waitMs: 50 });
  sink.line("one\n");
  assert.deepEqual(state.pieces, ["one\n"]);
  state.fault = "EAGAIN";
  const startedAt = performance.now();
  sink.line("two\n");
  assert.ok(performance.now() - startedAt >= 50);
  const { tries } = state;
  sink.line("three\n");
  assert.equal(state.tries, tries, "nobody asks again for each line");
  state.fault = undefined;
  await until(() => state.pieces.length > 1);
  sink.line("four\n");
  assert.equal(state.pieces.join(""), "one\ntwo\nthree\nfour\n");
  sink.close();
});

test("the end writes what is there, and does not wait for ever for who does not read", () => {
  const { state, sink } = fakeWriter();
  sink.line("one\n");
  sink.close();
  assert.deepEqual(state.pieces, ["one\n"]);
  const stuck = fakeWriter();
  stuck.state.fault = "EAGAIN";
  stuck.sink.line("one\n");
  const startedAt = performance.now();
  stuck.sink.close();
  assert.ok(performance.now() - startedAt < 5_000);
  assert.deepEqual(stuck.state.pieces, []);
});

const CHILD = `
import { LineSink, writerTo } from ${JSON.stringify(new URL("../../src/runtime/line-sink.ts", import.meta.url).href)};
const { write, pieceBytes } = writerTo(1);
const sink = new LineSink({ write, pieceBytes, lost: (lines) => "lost " + lines + "\\n" });
const line = process.argv[1].repeat(200) + "\\n";
for (let index = 0; index < 2000; index += 1) {
  sink.line(line);
  if (index % 50 === 0) await new Promise(setImmediate);
}
if (process.argv[2] === "throw") throw new Error("a bug");
process.exit(3);
`;

test("several processes write to one pipe whose reader is slow: no line is torn, none is lost at exit or at an exception", async () => {
  const shell = spawn(
    "sh",
    [
      "-c",
      '("$0" --input-type=module -e "$1" a exit & "$0" --input-type=module -e "$1" b throw 2>/dev/null; wait)',
      process.execPath,
      CHILD,
    ],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  let text = "";
  shell.stdout.setEncoding("latin1");
  let reads = 0;
  shell.stdout.on("data", (chunk: string) => {
    text += chunk;
    reads += 1;
    if (reads % 4 !== 0) return;
    shell.stdout.pause();
    setTimeout(() => shell.stdout.resume(), 2);
  });
  await new Promise((resolve) => shell.on("close", resolve));
  const lines = text.split("\n").slice(0, -1);
  assert.equal(lines.filter((line) => line === "a".repeat(200)).length, 2_000);
  assert.equal(lines.filter((line) => line === "b".repeat(200)).length, 2_000);
  assert.equal(lines.length, 4_000);
});

test("several processes write to one file: no line is torn or lost", () => {
  const folder = mkdtempSync(join(tmpdir(), "line-sink-"));
  const file = join(folder, "log");
  const script = '("$0" --input-type=module -e "$1" a exit & "$0" --input-type=module -e "$1" b exit; wait) > "$2"';
  spawnSync("sh", ["-c", script, process.execPath, CHILD, file]);
  const lines = readFileSync(file, "latin1").split("\n").slice(0, -1);
  for (const letter of ["a", "b"]) {
    assert.equal(lines.filter((line) => line === letter.repeat(200)).length, 2_000);
  }
  assert.equal(lines.length, 4_000);
  rmSync(folder, { recursive: true });
});

const DEAF = `
import { LineSink, writerTo } from ${JSON.stringify(new URL("../../src/runtime/line-sink.ts", import.meta.url).href)};
const sink = new LineSink({ ...writerTo(1), lost: (lines) => "lost " + lines + "\\n" });
const line = "x".repeat(999) + "\\n";
for (let index = 0; index < 4000; index += 1) {
  sink.line(line);
  if (index % 50 === 0) await new Promise(setImmediate);
}
process.stderr.write("alive " + sink.lost);
`;

test("a reader that never reads stops nobody: the process works on and ends", { timeout: 30_000 }, async () => {
  // A shell's pipe: those of child_process are sockets.
  const script = '{ "$0" --input-type=module -e "$1"; echo " ended $?" >&2; } | sleep 60';
  const shell = spawn("sh", ["-c", script, process.execPath, DEAF], {
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
  });
  let said = "";
  await new Promise<void>((resolve) => {
    shell.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes("ended")) resolve();
    });
  }).finally(() => process.kill(-(shell.pid ?? 0), "SIGKILL"));
  assert.match(said, /^alive [1-9][0-9]{3} ended 0$/m);
});

test("a file gets every line, behind what others have written to it through the same descriptor", () => {
  const folder = mkdtempSync(join(tmpdir(), "mesh-ca-log-"));
  try {
    const path = join(folder, "log");
    const fd = openSync(path, "w");
    const { write, close } = writerTo(fd);
    write("first\n");
    writerTo(fd).write("second\n");
    write("third\n");
    close();
    closeSync(fd);
    assert.equal(readFileSync(path, "utf8"), "first\nsecond\nthird\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
