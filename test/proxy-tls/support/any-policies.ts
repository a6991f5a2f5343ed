// Generators of policies and of what is asked of them: few names, so that they meet all the time.
import fc from "fast-check";
import type { HttpPolicyInput, PolicyInput } from "../../../src/proxy-tls/policy/decision.ts";
import { SpiffeId } from "../../../src/spiffe/index.ts";
import type { NaiveHeader, NaivePolicy, NaiveRule } from "./naive-policies.ts";

const idPaths = ["/a", "/a/b", "/ab", "/a/b/c", "/b"];
const ids = ["one.test", "two.test"].flatMap((domain) => idPaths.map((path) => `spiffe://${domain}${path}`));
const idPatterns = [...ids, ...ids.map((id) => `${id}/**`), "spiffe://one.test/*", "spiffe://two.test/*"];
const hosts = ["a.test", "b.a.test", "ab.test", "a.test:8443", "b.test:80"];
const hostPatterns = [...hosts, "*.test", "*.a.test", "a*.test", "*.test:8443", "A.Test.", "a.test:443"];
const paths = ["/", "/a", "/a/", "/a/b", "/ab", "/a/b/c", "/b/a", "/a/xb", "/\u00e9", "*"];
const pathPatterns = [
  "/",
  "/a",
  "/a/**",
  "/**",
  "/*",
  "/a/*",
  "/*/b",
  "/a*",
  "/a/*b/**",
  "/*/*/c",
  "/%C3%A9",
  "/a/b/**",
];
const methods = ["GET", "POST", "DELETE"];
const addresses = ["10.0.0.1", "10.1.0.1", "::ffff:10.0.0.1", "192.0.2.7", "2001:db8::1", "2001:db8:1::1", "fe80::1"];
const cidrs = [
  "10.0.0.0/8",
  "10.0.0.0/16",
  "192.0.2.7",
  "0.0.0.0/0",
  "2001:db8::/32",
  "2001:db8::/48",
  "::/0",
  "fe80::1",
];
const ports = [8443, 9443];
const headerNames = ["x-a", "x-b"];
const headerValues = ["1", "2", "1,2"];

const some = <Value>(values: readonly Value[]): fc.Arbitrary<Value[]> =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 2 });

/** Each key is there now and then. */
const maybe = <Model extends Record<string, fc.Arbitrary<unknown>>>(model: Model) =>
  fc.record(model, { requiredKeys: [] });

const filled = (group: object): boolean => Object.keys(group).length > 0;

/** Keys whose group came out empty are left out: the loader refuses them. */
function prune(rule: NaiveRule): NaiveRule {
  return Object.fromEntries(Object.entries(rule).filter(([, group]) => typeof group === "object" && filled(group)));
}

function header(presence: boolean): fc.Arbitrary<NaiveHeader> {
  const name = fc.constantFrom(...headerNames, "X-A");
  const compared = fc
    .tuple(name, maybe({ values: some(headerValues), notValues: some(headerValues) }))
    .map(([text, model]) => ({ name: text, ...(filled(model) ? model : { values: ["1"] }) }));
  return presence ? fc.oneof(compared, fc.record({ name, present: fc.boolean() })) : compared;
}

function rule(presence: boolean): fc.Arbitrary<NaiveRule> {
  return maybe({
    from: maybe({ ids: some(idPatterns), notIds: some(idPatterns) }),
    to: maybe({
      ...{ ports: some(ports), hosts: some(hostPatterns), methods: some(methods), paths: some(pathPatterns) },
      ...{
        notPorts: some(ports),
        notHosts: some(hostPatterns),
        notMethods: some(methods),
        notPaths: some(pathPatterns),
      },
    }),
    when: maybe({
      headers: fc.array(header(presence), { minLength: 1, maxLength: 2 }),
      ...{ sourceCidrs: some(cidrs), notSourceCidrs: some(cidrs) },
    }),
  })
    .map((model) => prune(model))
    .map((model) => (filled(model) ? model : { to: { paths: ["/a/**"] } }));
}

/**
 * A policy without its name.
 * @param presence whether `present` may be asked of a header
 */
export function anyPolicy(presence = true): fc.Arbitrary<Omit<NaivePolicy, "name">> {
  return fc
    .tuple(
      fc.constantFrom("allow" as const, "allow" as const, "deny" as const, "audit" as const),
      fc.array(rule(presence), { minLength: 1, maxLength: 3 }),
      maybe({ dryRun: fc.boolean(), listeners: some(["web", "other"]) }),
    )
    .map(([action, rules, more]) => ({ action, rules, ...more }));
}

/** Policies with names of their own, not in the order of the names. */
export function anyPolicies(presence = true): fc.Arbitrary<NaivePolicy[]> {
  return fc
    .uniqueArray(fc.tuple(fc.constantFrom(..."jkazbcfpqr"), anyPolicy(presence)), {
      selector: ([name]) => name,
      maxLength: 6,
    })
    .map((list) => list.map(([name, policy]) => ({ name, ...policy })));
}

const rarely = <Value>(values: fc.Arbitrary<Value>) => fc.option(values, { nil: undefined, freq: 7 });

const anyHttp: fc.Arbitrary<HttpPolicyInput> = fc.record({
  method: fc.constantFrom(...methods),
  authority: fc.constantFrom(...hosts),
  path: fc.constantFrom(...paths),
  fields: fc
    .array(fc.tuple(fc.constantFrom(...headerNames, "x-c"), fc.constantFrom(...headerValues)), { maxLength: 3 })
    .map((list) => list.flat()),
});

/** What is asked, now and then with something missing. */
export const anyInput: fc.Arbitrary<PolicyInput> = fc.record({
  listener: fc.constantFrom("web", "web", "other"),
  principal: rarely(fc.constantFrom(...ids).map((id) => SpiffeId.parse(id))),
  sourceAddress: rarely(fc.constantFrom(...addresses)),
  port: rarely(fc.constantFrom(...ports)),
  http: rarely(anyHttp),
});
