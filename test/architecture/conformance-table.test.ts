// Every rule of the SPIFFE standards that this version claims has a test that carries the rule's ID at the start of its name
// ("X-1: ..."), so that the suite reads as the table of rules.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSync } from "oxc-parser";
import { filesBelow, readProjectFile } from "../../scripts/lib/files.ts";
import { testNames } from "../../scripts/lib/syntax.ts";

/** SPIFFE IDs, X.509-SVIDs and bundles: the last rule's number of each table. */
const CLAIMED: readonly (readonly [prefix: string, last: number])[] = [
  ["ID", 7],
  ["X", 17],
  ["B", 10],
];
/** Of federation: what the one that serves a bundle must keep. */
const CLAIMED_ALONE = ["F-1", "F-4", "F-5"];

test("every rule ID-1 to ID-7, X-1 to X-17, B-1 to B-10, F-1, F-4 and F-5 has a test that carries its ID", () => {
  const names = filesBelow("test", (path) => path.endsWith(".test.ts")).flatMap((path) =>
    testNames(parseSync(path, readProjectFile(path)).program),
  );
  const proved = new Set(
    names.flatMap((name) => /^((?:[A-Z]+-\d+(?:, | and )?)+):/.exec(name)?.[1]?.match(/[A-Z]+-\d+/g) ?? []),
  );
  const claimed = CLAIMED.flatMap(([prefix, last]) => Array.from({ length: last }, (_, at) => `${prefix}-${at + 1}`));
  const missing = [...claimed, ...CLAIMED_ALONE].filter((id) => !proved.has(id));
  assert.deepEqual(missing, []);
});

test("names of tests are found in calls of test, it and describe, template literals included", () => {
  const source =
    "describe('X-1: a', () => { test(`X-2: b $" +
    "{1}`, () => {}); it(\"X-3: c\", {}, f); other('X-4: d'); test.skip('X-5: e'); });";
  assert.deepEqual(testNames(parseSync("a.ts", source).program), ["X-1: a", "X-2: b ", "X-3: c"]);
});
