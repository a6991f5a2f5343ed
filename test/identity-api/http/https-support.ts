// The HTTPS listener by itself, with a certificate for a web name, and the plainest of web clients: node:https.
import { request } from "node:https";
import { connect, type TLSSocket } from "node:tls";
import { parseConfig } from "../../../src/identity-api/config/index.ts";
import { type HttpsOptions, startHttps } from "../../../src/identity-api/http/https.ts";
import { Readiness } from "../../../src/identity-api/readiness.ts";
import { Lifecycle } from "../../../src/runtime/index.ts";
import { createTelemetry } from "../../../src/runtime/telemetry.ts";
import { TrustDomain, type TrustSet } from "../../../src/spiffe/index.ts";
import { oid } from "../../../src/x509/index.ts";
import { type CertificateOptions, createCertificate, createRoot, type TestCertificate } from "../../support/pki.ts";
import { ChangingIdentity, identityOf, LogLines, MovableClock } from "../../tls/support/endpoints.ts";

export const WEB_NAME = "bundle.example.test";
/** The public CA of these tests. */
export const webRoot = createRoot({ subject: "Web Root" });

/** A certificate as public CAs issue them. */
export function createWebLeaf(options: CertificateOptions = {}): TestCertificate {
  return createCertificate(webRoot, {
    names: [{ kind: "dns", value: WEB_NAME }],
    keyUsage: ["digitalSignature"],
    extendedKeyUsage: [oid.serverAuth],
    ...options,
  });
}

export const webLeaf = createWebLeaf();

/** A trust domain's trust with these anchors. */
export function trustWith(anchors: readonly TestCertificate[], sequence = 1n, refreshHintSeconds = 300): TrustSet {
  return {
    trustDomain: TrustDomain.parse("example.test"),
    anchors: anchors.map(({ certificate }) => certificate),
    authorities: [],
    intermediates: [],
    distrustedSpkis: new Set(),
    revocations: [],
    sequence,
    revision: 1n,
    refreshHintSeconds,
  };
}

const anchor = createRoot({ subject: "Anchor" });

export interface WebOptions {
  readonly trust?: () => TrustSet;
  /** Keys of listen.https; then no own identity is shown unless given. */
  readonly https?: Record<string, unknown>;
  readonly limits?: Record<string, unknown>;
  readonly ownIdentity?: HttpsOptions["ownIdentity"];
}

/** The listener on a free port; unless told otherwise it shows `webLeaf` as its own identity. */
export async function startWeb(options: WebOptions = {}) {
  const clock = new MovableClock();
  const log = new LogLines();
  const readiness = new Readiness();
  const telemetry = createTelemetry("test");
  const lifecycle = new Lifecycle(log);
  const identity = new ChangingIdentity(identityOf(webLeaf));
  const config = parseConfig({
    trustDomain: "example.test",
    listen: { https: { host: "127.0.0.1", port: 0, ...options.https } },
    limits: { ...options.limits },
  });
  const started = await startHttps({
    config,
    ownIdentity: "ownIdentity" in options ? options.ownIdentity : identity,
    trust: options.trust ?? (() => trustWith([anchor])),
    readiness,
    lifecycle,
    clock,
    logger: log,
    metrics: telemetry.metrics,
  });
  return {
    clock,
    log,
    readiness,
    identity,
    config,
    metrics: () => telemetry.prometheusText(),
    notes: () => readiness.state.notes.map(({ about, sentence }) => `${about}: ${sentence}`),
    get address() {
      return started.address;
    },
    get port(): number {
      return started.address?.port ?? 0;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await lifecycle.close();
      await telemetry.close();
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  readonly json: unknown;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly tls?: Record<string, unknown>;
}

/** One request on a connection of its own, by a client that trusts the web's CAs as browsers do. */
export function ask(port: number, path = "/v1/bundle", options: AskOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host: "127.0.0.1",
        port,
        path,
        method: options.method ?? "GET",
        headers: { host: WEB_NAME, ...options.headers },
        agent: false,
        ca: webRoot.pem,
        servername: WEB_NAME,
        ...options.tls,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const body = Buffer.concat(chunks);
          const text = body.toString("utf8");
          const json: unknown = text.startsWith("{") ? JSON.parse(text) : undefined;
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body, json });
        });
      },
    );
    asked.on("error", reject);
    asked.end(options.body);
  });
}

/** A TLS connection to write raw bytes on. */
export function rawTls(port: number, options: Record<string, unknown> = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, ca: webRoot.pem, servername: WEB_NAME, ...options }, () => {
      socket.off("error", reject);
      socket.on("error", () => {});
      resolve(socket);
    });
    socket.once("error", reject);
  });
}

/** Writes bytes and collects what comes until the server closes. */
export async function converse(port: number, bytes: string): Promise<string> {
  const socket = await rawTls(port);
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
  });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.write(bytes);
  await closed;
  return text;
}

/** The status of each answer in what `converse` gave. */
export function statusesOf(text: string): number[] {
  return [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
}
