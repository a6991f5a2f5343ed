// Two whole proxies as they are deployed: plaintext to the outbound one, mutual TLS between them, plaintext to the application.
import { inboundHttp } from "./http.ts";
import { ALLOW_ALL, startProxy, type TestProxy } from "./proxy.ts";

/** What the outbound one forwards. */
export const AUTHORITY = "echo.test";

/** An outbound and an inbound proxy before an application, each with its listener's `http`. */
export async function startPair(
  targetPort: number,
  inboundOptions: object,
  outboundOptions: object = {},
): Promise<{ readonly proxies: TestProxy[]; readonly port: number }> {
  const inbound = await startProxy({
    listeners: [inboundHttp(targetPort, inboundOptions)],
    policies: [ALLOW_ALL],
    id: "/server",
  });
  const outbound = await startProxy({
    listeners: [
      {
        ...{ direction: "outbound", name: "out", protocol: "http", listen: { port: 0 }, authorities: [AUTHORITY] },
        targets: [{ host: "127.0.0.1", port: inbound.port("in") }],
        expect: ["spiffe://example.test/server"],
        http: outboundOptions,
      },
    ],
    id: "/client",
  });
  return { proxies: [inbound, outbound], port: outbound.port("out") };
}
