import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { accessTable, authorize } from "../../../src/identity-api/access/index.ts";
import { createWebApp } from "../../../src/identity-api/http/web-app.ts";
import { silentLogger, silentMetrics } from "../../../src/runtime/index.ts";
import { anonymous } from "./support.ts";

const PROTO = join(import.meta.dirname, "../../../src/proto/meshca/identity/v1");

/** Every rpc of our .proto files as full gRPC path, read from the text so that nothing generated stands in between. */
function publishedMethods(): readonly string[] {
  return readdirSync(PROTO).flatMap((file) => {
    const text = readFileSync(join(PROTO, file), "utf8").replace(/\/\/.*$/gm, "");
    const [, name = ""] = /^package ([\w.]+);/m.exec(text) ?? [];
    return [...text.matchAll(/^service (\w+) \{([\s\S]*?)^\}/gm)].flatMap(([, service, body = ""]) =>
      [...body.matchAll(/\brpc (\w+)\(/g)].map(([, method]) => `/${name}.${service}/${method}`),
    );
  });
}

test("every rpc of the .proto files has a row in the access table", () => {
  const methods = publishedMethods();
  assert(methods.length >= 11, `only ${methods.length} rpcs were found: is the reader of this test broken?`);
  for (const method of methods) assert(accessTable.has(method), `${method} has no row`);
});

test("every row of our own services is an rpc that exists", () => {
  const methods = new Set(publishedMethods());
  for (const method of accessTable.keys()) {
    if (method.startsWith("/meshca.")) assert(methods.has(method), `${method} does not exist`);
  }
});

test("every route of the HTTPS listener has a row, and every row with a path is a route; one without a row is denied", async () => {
  const routes: string[] = [];
  const trust = () => {
    throw new Error("not asked");
  };
  const options = { trust, logger: silentLogger, metrics: silentMetrics };
  const { app, server } = await createWebApp(options, (bare) => {
    bare.addHook("onRoute", ({ method, url }) => void routes.push(...[method].flat().map((each) => `${each} ${url}`)));
    bare.register(async (scope) => void scope.get("/v1/forgotten", async () => "secret"));
  });
  try {
    const rows = [...accessTable.keys()].filter((key) => !key.startsWith("/"));
    const gets = routes.filter((route) => !route.startsWith("HEAD ") && route !== "GET /v1/forgotten");
    assert.deepEqual(gets.sort(), rows.sort());
    const { statusCode, body } = await app.inject("/v1/forgotten");
    assert.equal(statusCode, 403);
    assert.match(body, /MCA_FORBIDDEN/);
  } finally {
    await app.close();
    server.close();
  }
});

test("a method that is not in the table is denied, also to the local socket", () => {
  for (const method of ["/meshca.identity.v1.AuditService/DropEverything", "", "toString", "/", "constructor"]) {
    for (const kind of ["anonymous", "local"] as const) {
      const decision = authorize(method, { ...anonymous, verdict: { kind }, development: true });
      assert.equal(decision.kind, "denied", method);
      assert.match(decision.reason, /not in the access table/);
    }
  }
});

test("a use that the row does not know is denied", () => {
  for (const use of ["everything", "constructor", ""]) {
    const caller = { ...anonymous, verdict: { kind: "local" }, development: true } as const;
    assert.equal(authorize("/meshca.identity.v1.IdentityService/ExplainIdentity", caller, use).kind, "denied", use);
    assert.equal(authorize("/meshca.identity.v1.RegistryService/ListRules", caller, use).kind, "denied", use);
  }
});
