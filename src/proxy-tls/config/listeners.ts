// The listeners' keys of the proxy's configuration.
import Type, { type Static } from "typebox";
import { flag, integer, text, textOrNull, texts } from "../../runtime/config/index.ts";

const name = text(null, "Unique name, for the log and the metrics.", { pattern: "^[a-z][a-z0-9-]{0,62}$" });

const protocol = Type.Union([Type.Literal("tcp"), Type.Literal("http")], {
  description: "tcp: bytes. http: HTTP/1.1, HTTP/2 and gRPC, read and decided request by request. Nothing is guessed.",
});

/** Exactly one of port and path. */
const address = (description: string, host: string) =>
  Type.Object(
    {
      host: text(host, "Host name or address."),
      port: Type.Union([Type.Integer({ minimum: 0, maximum: 65_535 }), Type.Null()], {
        default: null,
        description: "TCP port. Exactly one of port and path.",
      }),
      path: textOrNull("Path of a Unix socket. Exactly one of port and path."),
    },
    { additionalProperties: false, description },
  );

const http = Type.Object(
  {
    allowHttp10: flag(false, "Take HTTP/1.0 requests."),
    allowBodyOnGet: flag(false, "Take a body on GET, HEAD and OPTIONS."),
    allowUnderscores: flag(false, "Take field names with `_`."),
    relaxPath: Type.Array(
      Type.Union([
        Type.Literal("encoded-slash"),
        Type.Literal("encoded-percent"),
        Type.Literal("semicolon"),
        Type.Literal("double-slash"),
        Type.Literal("encoded-unreserved"),
      ]),
      {
        default: [],
        description: "Rules of the path that are not applied. An error where a deny policy names a path.",
      },
    ),
    responseTrailers: texts("Names of response trailers that pass, beside grpc-*.", { maxItems: 32 }),
    requestTrailers: texts("Names of request trailers that pass.", { maxItems: 32 }),
    upstreamProtocol: Type.Union([Type.Literal("http/1.1"), Type.Literal("h2"), Type.Literal("auto")], {
      default: "auto",
      description:
        "What the target speaks. auto: by ALPN over TLS, HTTP/1.1 in plaintext, where HTTP/2 has to be declared.",
    }),
    shareUpstream: flag(false, "Let different callers share a connection to the target."),
  },
  { additionalProperties: false, default: {}, description: "Of protocol http." },
);

export const inboundSchema = Type.Object(
  {
    direction: Type.Literal("inbound", { description: "Terminates mTLS and forwards to the local application." }),
    name,
    protocol,
    host: text("0.0.0.0", "Address to listen on."),
    port: integer(15_443, { minimum: 0, maximum: 65_535 }, "TCP port; 0 lets the system choose one."),
    minTlsVersion: Type.Union([Type.Literal("1.3"), Type.Literal("1.2")], {
      default: "1.3",
      description: "1.2 only where foreign clients need it.",
    }),
    target: address("The local application, in plaintext.", "127.0.0.1"),
    hosts: Type.Array(
      Type.Object(
        {
          names: texts(
            "host or host:port, `*` within a label. Names by which clients dial belong here as well: the far proxy's targets[].host.",
            { minItems: 1, maxItems: 64 },
          ),
        },
        { additionalProperties: false },
      ),
      {
        default: [],
        maxItems: 64,
        description:
          "Of protocol http: groups of hosts that are served; another Host is 421, and so is one outside the groups of the name that the client asked for in its handshake (SNI). Empty: every Host, whatever the name.",
      },
    ),
    allowRemoteTarget: flag(false, "Let the target be on another host: its traffic is not protected by us."),
    forwardedClientCert: Type.Union([Type.Literal("sanitize-set"), Type.Literal("sanitize")], {
      default: "sanitize-set",
      description: "x-forwarded-client-cert. sanitize-set: what came is removed and our own is set. sanitize: removed.",
    }),
    http,
  },
  { additionalProperties: false, description: "For callers of our application." },
);

export const outboundSchema = Type.Object(
  {
    direction: Type.Literal("outbound", {
      description: "Takes plaintext of the local application and originates mTLS.",
    }),
    name,
    protocol,
    listen: address("Where the local application connects: loopback, or a Unix socket (0600).", "127.0.0.1"),
    targets: Type.Array(
      Type.Object(
        {
          host: text(null, "Host name or address.", { minLength: 1 }),
          port: Type.Integer({ minimum: 1, maximum: 65_535, description: "TCP port." }),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 64, description: "Where the service is; taken in turn." },
    ),
    expect: Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      maxItems: 64,
      description: "SPIFFE IDs that may be there, exact.",
    }),
    authorities: texts(
      "host[:port] that a request may name in Host. Needed on TCP: whoever reaches the port borrows our identity.",
      { maxItems: 64 },
    ),
    allowBrowsers: flag(false, "Take requests that carry Origin or Sec-Fetch-Site."),
    http,
  },
  { additionalProperties: false, description: "For calls of our application." },
);

export type InboundConfig = Static<typeof inboundSchema>;
export type OutboundConfig = Static<typeof outboundSchema>;
export type ListenerConfig = InboundConfig | OutboundConfig;
export type HttpConfig = Static<typeof http>;
