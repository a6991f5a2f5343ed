// The rules of the screens for tests of one engine: a listener as its schema fills it in, with changes.
import { parseProxyConfig } from "../../../src/proxy-tls/config/index.ts";
import {
  type RequestRules,
  type ResponseRules,
  requestRules,
  responseRules,
} from "../../../src/proxy-tls/http/fields/rules.ts";
import type { ObservedEvent } from "../../../src/proxy-tls/observe/records.ts";

function plainListener(http: object) {
  const { listeners } = parseProxyConfig({
    identity: { kind: "files", certificateFile: "unused.pem", keyFile: "unused.key", trustFile: "unused.json" },
    listeners: [
      {
        ...{ direction: "outbound", name: "out", protocol: "http", listen: { path: "/unused.sock" } },
        ...{ targets: [{ host: "127.0.0.1", port: 1 }], expect: ["spiffe://example.test/server"], http },
      },
    ],
  });
  const [listener] = listeners;
  if (listener === undefined) throw new TypeError("there is one listener");
  return listener;
}

/** Of a plaintext listener without policies. @param http as in the file */
export function testRequestRules(http: object = {}, count: (event: ObservedEvent) => void = () => {}): RequestRules {
  return requestRules(plainListener(http), { fieldNames: new Set(), namesTargets: false }, "mesh-ca-test", count);
}

export function testResponseRules(http: object = {}, count: (event: ObservedEvent) => void = () => {}): ResponseRules {
  return responseRules(plainListener(http).http, count);
}
