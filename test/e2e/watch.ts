// A WatchTrust stream with nothing of the SDK around it.
import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import type { IdentityServiceClient, WatchTrustResponse } from "../../src/proto/gen/meshca/identity/v1/identity.ts";

export function watch(client: IdentityServiceClient, trustDomain = "") {
  const stream: ClientReadableStream<WatchTrustResponse> = client.watchTrust({ trustDomain });
  const messages: WatchTrustResponse[] = [];
  let wake = (): void => {};
  stream.on("data", (message: WatchTrustResponse) => {
    messages.push(message);
    wake();
  });
  const ended = new Promise<ServiceError>((resolve) => stream.on("error", resolve));
  return {
    stream,
    messages,
    ended,
    async next(count: number): Promise<void> {
      while (messages.length < count)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    },
  };
}
