// nginx with one worker, doing what ours does as far as it can: mutual TLS 1.3 without tickets, a rule by certificate and path, the
// certificate's hash and a request ID handed on, a log line in JSON for each request. It has no identity but the certificate's hash: it
// cannot read a SPIFFE ID. HTTP/2 goes on as HTTP/1.1, because nginx has nothing else. tcp only where its stream module is there.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CALLS_BELOW, type ForeignOptions, type ForeignProgram } from "./program.ts";

const ROLES = ["handshake", "http1", "http2"] as const;
const TEMPORARY = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

export const nginx: ForeignProgram = {
  ...{ name: "nginx", tag: "nginx", program: "nginx" },
  versionArguments: ["-V"],
  roles: (built) => (streamModule(built) === undefined ? ROLES : [...ROLES, "l4"]),
  command: (path, options) => {
    const file = join(options.folder, "nginx.conf");
    for (const name of TEMPORARY) mkdirSync(join(options.folder, name));
    writeFileSync(file, configuration(options));
    return [path, "-p", options.folder, "-c", file];
  },
};

/** What loads the stream module: nothing ("") where it is built in; undefined: it is not there. */
function streamModule(built: string): string | undefined {
  if (/--with-stream(\s|$)/m.test(built)) return "";
  const folder = /--modules-path=(\S+)/.exec(built)?.[1];
  const file = folder === undefined ? undefined : join(folder, "ngx_stream_module.so");
  return file !== undefined && existsSync(file) ? `load_module ${file};` : undefined;
}

function configuration(options: ForeignOptions): string {
  const { backend, ports, clientSha1, maxConnections, identityFolder, folder, built } = options;
  const of = (name: string): string => join(identityFolder, name);
  // The default depth is 1, which is less than a chain with an intermediate has.
  const tls = [
    `ssl_certificate ${of("svid.pem")};`,
    `ssl_certificate_key ${of("svid_key.pem")};`,
    `ssl_client_certificate ${of("svid_bundle.pem")};`,
    "ssl_verify_client on; ssl_verify_depth 3; ssl_protocols TLSv1.3; ssl_session_cache off; ssl_session_tickets off;",
  ].join("\n    ");
  const known = `map $ssl_client_fingerprint $known { default 0; ${clientSha1.toLowerCase()} 1; }`;
  const listen = (port: number | undefined, kind: string): string => `listen 127.0.0.1:${port} ${kind} backlog=8192;`;
  const log = join(folder, "access.log");
  const server = (role: "http1" | "http2"): string => `
  server {
    ${listen(ports.get(role), role === "http2" ? "ssl http2" : "ssl")}
    ${tls}
    location ${CALLS_BELOW} {
      if ($known = 0) { return 403; }
      proxy_pass http://small;
    }
    location / { return 403; }
  }`;
  const stream = streamModule(built);
  // The worker of a master that is root would be nobody, who may not pass through the bench's folder.
  return `
${stream ?? ""}
daemon off;
${process.getuid?.() === 0 ? "user root;" : ""}
worker_processes 1;
pid ${join(folder, "nginx.pid")};
error_log stderr warn;
events { worker_connections ${2 * maxConnections}; }
http {
  ${TEMPORARY.map((name) => `${name}_temp_path ${join(folder, name)};`).join("\n  ")}
  log_format json escape=json '{"level":"info","time":$msec,"event":"request","listener":"$server_port","method":"$request_method",'
    '"authority":"$host","status":$status,"durationMs":$request_time,"addedMs":"$upstream_response_time","requestBytes":$request_length,'
    '"responseBytes":$bytes_sent,"peer":"$ssl_client_fingerprint","remoteAddress":"$remote_addr:$remote_port",'
    '"upstream":"$upstream_addr","requestId":"$request_id","target":"$request_uri"}';
  access_log ${log} json buffer=32k flush=1s;
  ${known}
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  http2_max_concurrent_streams 1000;
  upstream small { server 127.0.0.1:${backend.small}; keepalive 256; keepalive_requests 1000000000; }
  proxy_http_version 1.1;
  proxy_set_header connection "";
  proxy_set_header host $host;
  proxy_set_header x-request-id $request_id;
  proxy_set_header x-forwarded-client-cert Hash=$ssl_client_fingerprint;
${server("http1")}
${server("http2")}
}
${stream === undefined ? "" : streamBlock()}
`;

  function streamBlock(): string {
    return `stream {
  log_format json escape=json '{"level":"info","time":$msec,"event":"connection","listener":"$server_port","durationMs":$session_time,'
    '"receivedBytes":$bytes_received,"sentBytes":$bytes_sent,"peer":"$ssl_client_fingerprint","remoteAddress":"$remote_addr:$remote_port",'
    '"upstream":"$upstream_addr"}';
  access_log ${log} json buffer=32k flush=1s;
  server {
    ${listen(ports.get("l4"), "ssl")}
    ${tls}
    proxy_pass 127.0.0.1:${backend.small};
  }
}`;
  }
}
