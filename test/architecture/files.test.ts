// Habits that a reader relies on in every file of src/.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSync } from "oxc-parser";
import { filesBelow, readProjectFile } from "../../scripts/lib/files.ts";
import { stringsOf } from "../../scripts/lib/syntax.ts";

const ours = (path: string): boolean => path.endsWith(".ts") && !path.startsWith("src/proto/gen/");

test("the first line of every file says what it is", () => {
  const silent = filesBelow("src", ours).filter(
    (path) => !path.endsWith("/index.ts") && !/^(\/\/|\/\*\*)/.test(readProjectFile(path)),
  );
  assert.deepEqual(silent, []);
});

test("nothing is left for later without saying so in the documentation", () => {
  const marks = /\b(TODO|FIXME|XXX|HACK)\b|not written yet|^\/\/ being written/m;
  assert.deepEqual(
    filesBelow("src", ours).filter((path) => marks.test(readProjectFile(path))),
    [],
  );
});

test("no test is skipped or run alone", () => {
  const marks = /\b(test|it|describe|suite)\.(skip|only|todo)\(|\bskip: true\b|\bonly: true\b/;
  const found = filesBelow("test", (path) => path.endsWith(".test.ts") && !path.startsWith("test/architecture/"));
  assert.deepEqual(
    found.filter((path) => marks.test(readProjectFile(path))),
    [],
  );
});

test("SQL has its times as parameters: the database's clock is read by databaseNow() alone", () => {
  const clock =
    /\b(now\(\)|current_timestamp|clock_timestamp\(\)|statement_timestamp\(\)|transaction_timestamp\(\)|localtimestamp)/i;
  const migrations = filesBelow("migrations", (path) => path.endsWith(".sql"))
    .map((path) => [path, readProjectFile(path).replace(/--.*$/gm, "")] as const)
    .filter(([, sql]) => clock.test(sql));
  assert.deepEqual(migrations, []);
  const statements = filesBelow("src", ours).filter((path) => {
    const texts = stringsOf(parseSync(path, readProjectFile(path)).program);
    return texts.some((text) => /\b(SELECT|INSERT|UPDATE|DELETE|VALUES)\b/.test(text) && clock.test(text));
  });
  assert.deepEqual(statements, ["src/ca/store/database.ts"]);
});
