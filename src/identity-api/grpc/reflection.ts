// Server reflection, the standard gRPC service by which tools learn what there is, from the descriptor that buf made of our .proto files.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Server } from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import { packageRoot } from "../../runtime/index.ts";

/** Lets tools such as grpcurl and buf curl find out what the server offers. */
export function addReflection(server: Server): void {
  const descriptors = readFileSync(join(packageRoot(), "src", "proto", "descriptor.binpb"));
  new ReflectionService(loadFileDescriptorSetFromBuffer(descriptors)).addToServer(server);
}
