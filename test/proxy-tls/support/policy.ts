// Policies and what is asked of them, in few words.
import assert from "node:assert/strict";
import type { HttpPolicyInput, PolicyInput } from "../../../src/proxy-tls/policy/decision.ts";
import { parsePolicies } from "../../../src/proxy-tls/policy/parse.ts";
import type { PolicySet } from "../../../src/proxy-tls/policy/policy-set.ts";
import { MeshCaError } from "../../../src/runtime/index.ts";
import { SpiffeId } from "../../../src/spiffe/index.ts";

export const CART = "spiffe://example.test/ns/shop/sa/cart";

/** A policy set of these policies. */
export function policySet(...policies: readonly object[]): PolicySet {
  return parsePolicies({ policies });
}

/** An allow policy with one rule. */
export function allow(rule: object, more: object = {}): object {
  return { name: "allow", action: "allow", rules: [rule], ...more };
}

export function deny(rule: object, more: object = {}): object {
  return { name: "deny", action: "deny", rules: [rule], ...more };
}

/** Whoever is in example.test. */
export const ANYBODY = { from: { ids: ["spiffe://example.test/*"] } };

export function http(changes: Partial<HttpPolicyInput> = {}): HttpPolicyInput {
  return { method: "GET", authority: "shop.test", path: "/", fields: [], ...changes };
}

/** A GET of https://shop.test/ by the cart. */
export function input(
  changes: Partial<Omit<PolicyInput, "principal">> & { readonly id?: string | undefined } = {},
): PolicyInput {
  const { id, ...rest } = { id: CART, ...changes };
  return {
    ...{ listener: "web", sourceAddress: "192.0.2.7", port: 8443, http: http() },
    principal: id === undefined ? undefined : SpiffeId.parse(id),
    ...rest,
  };
}

/** A request with these changes, by the cart. */
export function asking(changes: Partial<HttpPolicyInput>): PolicyInput {
  return input({ http: http(changes) });
}

/** The error of policies that must not load. */
export function refusedPolicies(...policies: readonly object[]): MeshCaError {
  return refusedFile({ policies });
}

export function refusedFile(value: unknown): MeshCaError {
  try {
    parsePolicies(value);
  } catch (error) {
    assert(error instanceof MeshCaError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: `loaded: ${JSON.stringify(value)}` });
}
