// What tools that know only the standards see on the TLS port: server reflection and health, by a plain gRPC client.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { type Client, credentials, makeGenericClientConstructor, type ServiceDefinition, status } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { systemClock } from "../../src/runtime/index.ts";
import { call, closeClients, refusal, startTestServer, type TestServer, until } from "./fixture.ts";

const require = createRequire(import.meta.url);
let offset = 0;
let on: TestServer;
const clients: Client[] = [];

before(async () => {
  on = await startTestServer({ clock: { now: () => systemClock.now() + offset } });
});
after(async () => {
  for (const client of clients) client.close();
  closeClients();
  await on.close();
});

/** A client of a service as grpcurl would be one: from its .proto file, with grpc-js's own TLS. */
function plainClient(name: string, packageName: string, file: string): Client {
  const definitions = loadSync(join(dirname(require.resolve(packageName)), "..", file), {
    keepCase: true,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  // loadSync mixes services with message types; the caller names a service.
  const definition = definitions[name] as ServiceDefinition;
  const tls = credentials.createSsl(null, null, null, {
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  const Constructor = makeGenericClientConstructor(definition, name);
  const client = new Constructor(on.address, tls, { "grpc.use_local_subchannel_pool": 1 });
  clients.push(client);
  return client;
}

/** A method of a client that was made at run time. */
function methodOf(client: Client, name: string) {
  return Reflect.get(client, name) as Parameters<typeof call<object, Record<string, unknown>>>[1];
}

const health = () => plainClient("grpc.health.v1.Health", "grpc-health-check", "../proto/health/v1/health.proto");

test("Check answers SERVING for the server and each of its services, and NOT_FOUND for others", async () => {
  const client = health();
  for (const service of ["", "IdentityService", "RegistryService", "TokenService", "AuditService"]) {
    const name = service === "" ? "" : `meshca.identity.v1.${service}`;
    assert.deepEqual(await call(client, methodOf(client, "check"), { service: name }), { status: "SERVING" });
  }
  const failed = await refusal(call(client, methodOf(client, "check"), { service: "meshca.Nothing" }));
  assert.deepEqual([failed.code, failed.mca], [status.NOT_FOUND, "MCA_NOT_FOUND"]);
});

test("Watch tells the change to NOT_SERVING and back, as /readyz has it", { timeout: 120_000 }, async () => {
  const client = health();
  const stream = (Reflect.get(client, "watch") as (request: object) => NodeJS.EventEmitter & { cancel(): void }).call(
    client,
    { service: "" },
  );
  const seen: string[] = [];
  stream.on("data", (message: { status: string }) => seen.push(message.status));
  stream.on("error", () => {});
  try {
    await until(() => seen.length === 1, "the first state comes at once");
    offset = 30_000;
    await until(() => seen.length === 2, "the server is not ready: its clock differs", 60_000);
    offset = 0;
    await until(() => seen.length === 3, "and ready again", 60_000);
    assert.deepEqual(seen, ["SERVING", "NOT_SERVING", "SERVING"]);
  } finally {
    stream.cancel();
  }
});

interface Reflected {
  readonly list_services_response?: { readonly service: readonly { readonly name: string }[] };
  readonly file_descriptor_response?: { readonly file_descriptor_proto: readonly Uint8Array[] };
  readonly error_response?: { readonly error_code: number };
}

function ask(client: Client, request: object): Promise<Reflected> {
  const open = Reflect.get(client, "serverReflectionInfo") as () => NodeJS.EventEmitter & {
    write(message: object): void;
    end(): void;
  };
  const stream = open.call(client);
  return new Promise((resolve, reject) => {
    stream.on("data", (message: Reflected) => {
      resolve(message);
      stream.end();
    });
    stream.on("error", reject);
    stream.write(request);
  });
}

for (const version of ["v1", "v1alpha"]) {
  test(`reflection (${version}) lists our services and hands out their descriptors`, async () => {
    const client = plainClient(
      `grpc.reflection.${version}.ServerReflection`,
      "@grpc/reflection",
      `proto/grpc/reflection/${version}/reflection.proto`,
    );
    const found = await ask(client, { list_services: "" });
    const names = found.list_services_response?.service.map(({ name }) => name) ?? [];
    for (const service of ["IdentityService", "RegistryService", "TokenService", "AuditService"]) {
      assert.ok(names.includes(`meshca.identity.v1.${service}`), names.join(", "));
    }
    const file = await ask(client, { file_containing_symbol: "meshca.identity.v1.IdentityService" });
    const descriptors = file.file_descriptor_response?.file_descriptor_proto ?? [];
    assert.ok(descriptors.some((descriptor) => Buffer.from(descriptor).includes("IssueX509Svid")));
    const nothing = await ask(client, { file_containing_symbol: "meshca.Nothing" });
    assert.equal(nothing.error_response?.error_code, 5);
  });
}
