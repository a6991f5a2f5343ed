import assert from "node:assert/strict";
import { test } from "node:test";
import { requireMatchingNames } from "../../../src/ca/issuance/csr-names.ts";
import { IssuanceError, type IssuanceErrorCode } from "../../../src/ca/issuance/index.ts";
import { SpiffeId } from "../../../src/spiffe/index.ts";
import { parseCsr } from "../../../src/x509/index.ts";
import { makeCsr } from "./materials.ts";

const granted = SpiffeId.parse("spiffe://example.test/ns/shop/sa/cart");
const check = (uriSans: readonly string[], dnsSans: readonly string[] = []): void =>
  requireMatchingNames(parseCsr(makeCsr({ uriSans, dnsSans }).der), granted);
const withCode = (code: IssuanceErrorCode) => (error: unknown) => error instanceof IssuanceError && error.code === code;

test("a CSR without names, with the granted ID, or with DNS names is fine", () => {
  check([]);
  check([granted.toString()]);
  check([], ["admin.example.test", "www.example.test"]);
  check([granted.toString()], ["anything.example.test"]);
});

test("a CSR that names another SPIFFE ID is refused, also where only case or a slash differs", () => {
  for (const other of [
    "spiffe://example.test/ns/shop/sa/card",
    "spiffe://example.test/ns/shop/sa/cart/",
    "spiffe://example.test",
    "spiffe://other.test/ns/shop/sa/cart",
    "SPIFFE://example.test/ns/shop/sa/cart",
    "spiffe:example",
  ]) {
    assert.throws(() => check([other]), withCode("MCA_CSR_SPIFFE_ID_MISMATCH"), other);
  }
});

test("a CSR that names several URIs is refused, even the granted one twice", () => {
  assert.throws(() => check([granted.toString(), granted.toString()]), withCode("MCA_CSR_URI_SANS"));
  assert.throws(() => check([granted.toString(), "https://example.test/"]), withCode("MCA_CSR_URI_SANS"));
  assert.throws(() => check(["https://a.test/", "https://b.test/"]), withCode("MCA_CSR_URI_SANS"));
});

test("one URI that is no SPIFFE ID is ignored like every other name", () => {
  check(["https://example.test/who-am-i"]);
});
