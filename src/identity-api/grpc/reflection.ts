// Server reflection, the standard gRPC service by which tools learn what there is, from the descriptor that buf made of our .proto files. The
// package of the reference implementation adds it to a server of grpc-js; here is as much of one as it uses.
import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { MethodDefinition, Server, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import { packageRoot } from "../../runtime/index.ts";
import { frameMessage, parseMessage } from "./definition.ts";
import type { Conversation, ConversationAnswers, ConversationMethod } from "./wire/method.ts";

/** Lets tools such as grpcurl and buf curl find out what the server offers. */
export function reflectionService(): Readonly<Record<string, ConversationMethod>> {
  const descriptors = readFileSync(join(packageRoot(), "src", "proto", "descriptor.binpb"));
  const methods: Record<string, ConversationMethod> = {};
  const server: Pick<Server, "addService"> = {
    addService(service: ServiceDefinition, implementation: UntypedServiceImplementation): void {
      for (const [name, definition] of Object.entries(service)) {
        methods[definition.path] = methodOf(definition, implementation[name]);
      }
    },
  };
  new ReflectionService(loadFileDescriptorSetFromBuffer(descriptors)).addToServer(server);
  return methods;
}

function methodOf(definition: MethodDefinition<object, object>, handle: unknown): ConversationMethod {
  if (typeof handle !== "function" || !definition.requestStream || !definition.responseStream) {
    throw new TypeError(
      `${definition.path} is no method as this version of @grpc/reflection has them: see reflection.ts`,
    );
  }
  return {
    kind: "conversation",
    path: definition.path,
    open: (answers) => {
      const call = new ReflectionCall(definition, answers);
      Reflect.apply(handle, undefined, [call]);
      return call;
    },
  };
}

/** What the package uses of a ServerDuplexStream: "data" and "end", `write` and `end`. */
class ReflectionCall extends EventEmitter implements Conversation {
  readonly #definition: MethodDefinition<object, object>;
  readonly #answers: ConversationAnswers;

  constructor(definition: MethodDefinition<object, object>, answers: ConversationAnswers) {
    super();
    this.#definition = definition;
    this.#answers = answers;
  }

  onMessage(message: Buffer): void {
    this.emit("data", parseMessage(this.#definition, message));
  }

  onEnd(): void {
    this.emit("end");
  }

  write(response: object): void {
    this.#answers.write(frameMessage(this.#definition, response));
  }

  end(): void {
    this.#answers.end();
  }
}
