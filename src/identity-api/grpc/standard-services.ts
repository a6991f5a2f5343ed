// The standard gRPC services: health (grpc.health.v1) and server reflection, from the descriptor that buf made of our .proto files.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Server } from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation } from "grpc-health-check";
import type { Logger } from "../../runtime/index.ts";
import { packageRoot } from "../../runtime/index.ts";
import type { Readiness } from "../readiness.ts";

/** Our services, as health is asked about them; "" is the server as a whole. */
const SERVICES = [
  "",
  "meshca.identity.v1.IdentityService",
  "meshca.identity.v1.RegistryService",
  "meshca.identity.v1.TokenService",
  "meshca.identity.v1.AuditService",
  "meshca.identity.v1.AuthorityService",
];

/** Lets tools such as grpcurl and buf curl find out what the server offers. */
export function addReflection(server: Server): void {
  const descriptors = readFileSync(join(packageRoot(), "src", "proto", "descriptor.binpb"));
  new ReflectionService(loadFileDescriptorSetFromBuffer(descriptors)).addToServer(server);
}

/** Health follows readiness: NOT_SERVING, with the reasons in the log, while the server may not issue. */
export function addHealth(server: Server, readiness: Readiness, logger: Logger): void {
  const health = new HealthImplementation(Object.fromEntries(SERVICES.map((name) => [name, "NOT_SERVING"])));
  health.addToServer(server);
  let told: boolean | undefined;
  readiness.onChange((state) => {
    // Watchers are told of changes only, not of each reason more or less.
    if (state.ready !== told) {
      for (const name of SERVICES) health.setStatus(name, state.ready ? "SERVING" : "NOT_SERVING");
    }
    told = state.ready;
    if (state.ready) logger.info({ event: "health.serving" }, "ready: identities are issued");
    else logger.warn({ event: "health.not_serving", reasons: state.reasons }, "not ready: see reasons");
  });
}
