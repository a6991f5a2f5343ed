// The screen of requests beside a slow reading of the specification, over any mixture of names and values that mean something.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { screenRequest } from "../../../../src/proxy-tls/http/fields/screen-request.ts";
import { anyFields } from "../../support/any-fields.ts";
import { rawRequest, rulesOf } from "../../support/heads.ts";
import { naiveFields } from "../../support/naive-screen.ts";
import { refusalOf } from "../../support/refusal.ts";

const options = fc.record({
  named: fc.subarray(["x-tenant", "x-a", "cookie"]),
  namesTargets: fc.boolean(),
  allowUnderscores: fc.boolean(),
});

test("what the screen keeps and what it refuses is what the specification says, for any mixture of fields", () => {
  let kept = 0;
  let refused = 0;
  fc.assert(
    fc.property(anyFields(), options, (list, { named, namesTargets, allowUnderscores }) => {
      const rules = rulesOf({ fieldNames: named, namesTargets, http: { allowUnderscores } });
      const raw = rawRequest(list.flat());
      const expected = naiveFields(list, { named, namesTargets, allowUnderscores });
      const refusal = refusalOf(() => screenRequest(raw, rules));
      if (expected === undefined) {
        refused += 1;
        assert.equal(refusal?.[0], 400);
        return;
      }
      kept += 1;
      assert.equal(refusal, undefined);
      assert.deepEqual(screenRequest(raw, rules).fields, expected.flat());
    }),
    { numRuns: 5_000 },
  );
  assert.ok(kept > 500 && refused > 500, `${kept} kept, ${refused} refused: one side was hardly tried`);
});
