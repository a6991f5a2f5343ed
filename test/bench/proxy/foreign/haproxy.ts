// HAProxy as one process with one thread, doing what ours does as far as it can: mutual TLS 1.3 without tickets, a rule by certificate and
// path, the certificate's hash and a request ID handed on, a log line in JSON for each request. It has no identity but the certificate's hash:
// it cannot read a SPIFFE ID. HTTP/2 goes on as HTTP/2.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CALLS_BELOW, type ForeignOptions, type ForeignProgram } from "./program.ts";

export const haproxy: ForeignProgram = {
  ...{ name: "HAProxy", tag: "haproxy", program: "haproxy" },
  versionArguments: ["-v"],
  roles: () => ["handshake", "l4", "http1", "http2"],
  command: (path, options) => {
    const file = join(options.folder, "haproxy.cfg");
    // One file with certificates and key; what goes on in it is the owner's secret.
    const pem = join(options.folder, "haproxy.pem");
    const of = (name: string): string => readFileSync(join(options.identityFolder, name), "utf8");
    writeFileSync(pem, of("svid.pem") + of("svid_key.pem"), { mode: 0o600 });
    writeFileSync(file, configuration(options, pem));
    return [path, "-db", "-f", file];
  },
};

/** Quotation marks are doubly masked: HAProxy reads the line as a word first, and then as a format. */
const line = (fields: string): string => `log-format "${fields.replaceAll('"', '\\"')}"`;
const REQUEST_LINE = line(
  '{"level":"info","time":%Ts%ms,"event":"request","listener":"%f","method":"%HM","authority":"%[capture.req.hdr(0),json(utf8s)]",' +
    '"status":%ST,"durationMs":%Ta,"addedMs":%Tr,"requestBytes":%U,"responseBytes":%B,"peer":"%[ssl_c_sha1,hex]",' +
    '"remoteAddress":"%ci:%cp","upstream":"%si:%sp","requestId":"%ID","end":"%tsc","target":"%[capture.req.uri,json(utf8s)]"}',
);
const CONNECTION_LINE = line(
  '{"level":"info","time":%Ts%ms,"event":"connection","listener":"%f","durationMs":%Tt,"receivedBytes":%U,"sentBytes":%B,' +
    '"peer":"%[ssl_c_sha1,hex]","remoteAddress":"%ci:%cp","upstream":"%si:%sp","end":"%tsc"}',
);

function configuration(options: ForeignOptions, pem: string): string {
  const { backend, ports, clientSha1, maxConnections, identityFolder } = options;
  const tls = `ssl crt ${pem} ca-file ${join(identityFolder, "svid_bundle.pem")} verify required`;
  const bind = (role: "l4" | "http1" | "http2", alpn: string): string =>
    `  bind 127.0.0.1:${ports.get(role)} backlog 8192 ${tls}${alpn}`;
  const http = [
    `  acl known ssl_c_sha1,hex -m str -i ${clientSha1}`,
    `  acl allowed path_beg ${CALLS_BELOW}`,
    "  http-request deny unless known allowed",
    "  http-request del-header x-forwarded-client-cert",
    "  http-request set-header x-forwarded-client-cert Hash=%[ssl_c_sha1,hex,lower]",
    "  unique-id-format %[uuid()]",
    "  unique-id-header x-request-id",
    "  capture request header host len 300",
    `  ${REQUEST_LINE}`,
  ];
  const server = (port: number, options = ""): string => `  server one 127.0.0.1:${port} ${options}`.trimEnd();
  return [
    "global",
    "  nbthread 1",
    `  maxconn ${maxConnections}`,
    "  log stdout format raw local0 info",
    "  tune.ssl.cachesize 0",
    "  ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets",
    "defaults",
    "  log global",
    "  mode http",
    "  option dontlognull",
    "  timeout connect 5s",
    "  timeout client 10m",
    "  timeout server 10m",
    "  timeout http-request 1m",
    "  timeout http-keep-alive 10m",
    "frontend l4",
    "  mode tcp",
    bind("l4", ""),
    `  tcp-request content reject unless { ssl_c_sha1,hex -m str -i ${clientSha1} }`,
    `  ${CONNECTION_LINE}`,
    "  default_backend l4",
    "backend l4",
    "  mode tcp",
    server(backend.small),
    "frontend http1",
    bind("http1", " alpn http/1.1"),
    ...http,
    "  default_backend http1",
    "backend http1",
    "  http-reuse always",
    server(backend.small),
    "frontend http2",
    bind("http2", " alpn h2"),
    ...http,
    "  default_backend http2",
    "backend http2",
    "  http-reuse always",
    server(backend.h2, "proto h2"),
    "",
  ].join("\n");
}
