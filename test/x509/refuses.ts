// One refusal of this room's readers and checks, by code and sentence.
import assert from "node:assert/strict";
import { X509Error } from "../../src/x509/index.ts";

/** `run` must throw an X509Error with this code, whose sentence says this. */
export function refuses(code: string, sentence: RegExp, run: () => unknown): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof X509Error, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, sentence);
    return true;
  });
}
