// Files that are read again: content counts, nothing half written is used, and what cannot be used leaves the last good set in place.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ProxyError } from "../../../src/proxy-tls/errors.ts";
import { WatchedFiles, type WatchedFilesOptions } from "../../../src/proxy-tls/reload/watched-files.ts";
import { temporaryDirectory } from "../../identity-client/helpers.ts";
import { TestLog } from "../../support/test-log.ts";

interface Watched {
  readonly folder: string;
  readonly file: string;
  readonly seen: string[];
  readonly log: TestLog;
  readonly files: WatchedFiles;
}

/** A watched file `a`; texts with "bad" in them are refused. */
function watched(changes: Partial<WatchedFilesOptions> = {}): Watched {
  const folder = temporaryDirectory();
  const file = join(folder, "a");
  writeFileSync(file, "one");
  const seen: string[] = [];
  const log = new TestLog();
  const files = new WatchedFiles({
    source: "policies",
    files: [{ path: file }],
    load: ([text = ""]) => {
      if (text.includes("bad")) throw new ProxyError("MCA_PROXY_FILE", `${text} is bad.`);
      seen.push(text);
    },
    logger: log.logger,
    settleMs: 5,
    ...changes,
  });
  return { folder, file, seen, log, files };
}

test("changed content is taken into use, the same content written anew is not", async () => {
  const { file, seen, files } = watched();
  await files.first();
  writeFileSync(file, "one");
  utimesSync(file, 1, 1);
  await files.look();
  assert.deepEqual(seen, ["one"]);
  writeFileSync(file, "two");
  utimesSync(file, 1, 1);
  await files.look();
  assert.deepEqual(seen, ["one", "two"]);
  assert.deepEqual(files.reload, { source: "policies", succeeded: 1, failed: 0, problem: undefined });
});

test("a first set that cannot be used is the caller's error", async () => {
  const { file, files } = watched();
  writeFileSync(file, "bad");
  await assert.rejects(files.first(), /bad is bad/);
  rmSync(file);
  await assert.rejects(files.first(), { code: "MCA_PROXY_FILE", message: /cannot be read \(ENOENT\)/ });
  assert.equal(files.loaded, false);
});

test("what cannot be used keeps the old set, and is told once and counted once", async () => {
  const { file, seen, log, files } = watched();
  await files.first();
  writeFileSync(file, "bad 1");
  for (let look = 0; look < 3; look += 1) await files.look();
  assert.equal(log.of("reload.failed").length, 1);
  assert.equal(files.reload.failed, 1);
  assert.equal(files.reload.problem?.sentence, "bad 1 is bad.");
  const [line] = log.of("reload.failed");
  assert.deepEqual([line?.["reason"], line?.["error"]], ["bad 1 is bad.", undefined], "a sentence, and no stack");
  writeFileSync(file, "bad 2");
  await files.look();
  assert.equal(log.of("reload.failed").length, 2);
  assert.deepEqual(seen, ["one"]);
  writeFileSync(file, "three");
  await files.look();
  assert.equal(files.reload.problem, undefined);
  assert.deepEqual(seen, ["one", "three"]);
});

test("the old content again ends the problem", async () => {
  const { file, log, files } = watched();
  await files.first();
  writeFileSync(file, "bad");
  await files.look();
  writeFileSync(file, "one");
  await files.look();
  assert.equal(files.reload.problem, undefined);
  assert.equal(log.of("reload.recovered").length, 1);
});

test("a file that goes away, becomes a folder or a pipe keeps the old set", async () => {
  const { file, seen, files } = watched();
  await files.first();
  rmSync(file);
  await files.look();
  assert.match(files.reload.problem?.sentence ?? "", /ENOENT/);
  mkdirSync(file);
  await files.look();
  assert.match(files.reload.problem?.sentence ?? "", /not a regular file|EISDIR/);
  rmSync(file, { recursive: true });
  execFileSync("mkfifo", [file]);
  await files.look();
  assert.match(files.reload.problem?.sentence ?? "", /not a regular file/);
  assert.deepEqual(seen, ["one"]);
});

test("half a file is not used: what changes between two looks waits until it rests", async () => {
  const { file, seen, files } = watched({ settleMs: 60 });
  await files.first();
  writeFileSync(file, "half");
  const looking = files.look();
  await sleep(20);
  writeFileSync(file, "half and half");
  await looking;
  assert.deepEqual(seen, ["one", "half and half"]);
});

test("a file that never comes to rest keeps the old set and is told", async () => {
  const { file, seen, log, files } = watched({ settleMs: 10 });
  await files.first();
  let count = 100;
  writeFileSync(file, `number ${count}`);
  // In place: what writeFileSync does is an empty file in between, and two looks may well meet that one.
  const fd = openSync(file, "r+");
  const write = (): void => {
    count += 1;
    writeSync(fd, `number ${count}`, 0);
  };
  write();
  const writer = setInterval(write, 2);
  try {
    await files.look();
  } finally {
    clearInterval(writer);
    closeSync(fd);
  }
  assert.deepEqual(seen, ["one"]);
  assert.match(files.reload.problem?.sentence ?? "", /never the same twice/);
  assert.equal(log.of("reload.failed").length, 1);
  await files.look();
  assert.equal(seen.at(-1), `number ${count}`);
});

test("a link that is swapped is followed, and a set is never mixed of two", async () => {
  const folder = temporaryDirectory();
  const write = (name: string): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "a"), name);
    writeFileSync(join(folder, name, "b"), name);
    symlinkSync(name, join(folder, "next"));
    renameSync(join(folder, "next"), join(folder, "current"));
  };
  write("v0");
  const sets: string[] = [];
  const files = new WatchedFiles({
    source: "identity",
    files: [{ path: join(folder, "current", "a") }, { path: join(folder, "current", "b") }],
    load: (texts) => sets.push(texts.join("+")),
    logger: new TestLog().logger,
    settleMs: 2,
  });
  await files.first();
  for (let version = 1; version <= 30; version += 1) {
    write(`v${version}`);
    await files.look();
  }
  assert.equal(sets.at(-1), "v30+v30");
  assert.deepEqual(
    sets.filter((set) => set.split("+")[0] !== set.split("+")[1]),
    [],
  );
});

test("a private key that others can read is not used", async () => {
  const { file, files } = watched();
  const secret = new WatchedFiles({
    source: "identity",
    files: [{ path: file, secret: true }],
    load: () => {},
    logger: new TestLog().logger,
    settleMs: 1,
  });
  for (const mode of [0o644, 0o604, 0o660, 0o601, 0o622]) {
    chmodSync(file, mode);
    await assert.rejects(secret.first(), /private key and has mode/, mode.toString(8));
  }
  for (const mode of [0o600, 0o640, 0o400, 0o440]) {
    chmodSync(file, mode);
    await secret.first();
  }
  files.close();
});

test("a file beyond 4 MiB is not read", async () => {
  const { file, files } = watched();
  await files.first();
  writeFileSync(file, Buffer.alloc(4 * 1024 * 1024 + 1, "a"));
  await files.look();
  assert.match(files.reload.problem?.sentence ?? "", /larger than 4 MiB/);
});

test("looking by itself finds a change; a closed watch finds nothing", async () => {
  const { file, seen, files } = watched({ lookMs: 5, settleMs: 1 });
  await files.first();
  files.watch();
  writeFileSync(file, "two");
  while (seen.length < 2) await sleep(5);
  files.close();
  writeFileSync(file, "three");
  await sleep(50);
  assert.deepEqual(seen, ["one", "two"]);
});

test("a look that is asked for during a look follows it, because that one may have read already", async () => {
  const seen: string[] = [];
  const { file, files } = watched({
    load: ([text = ""]) => {
      seen.push(text);
      if (text !== "two") return;
      writeFileSync(file, "three");
      void files.look();
    },
  });
  await files.first();
  writeFileSync(file, "two");
  await files.look();
  assert.deepEqual(seen, ["one", "two", "three"]);
});
