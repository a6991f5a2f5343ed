// What the specification has and this proxy has not yet. Whoever asks for it is told that, instead of "unknown key": a proxy that
// starts without what its operator believes to be on would be worse than one that does not start.
import { ConfigError } from "../../runtime/config/index.ts";

interface Feature {
  /** As in "Permissive mode". */
  readonly name: string;
  /** What to do instead. */
  readonly instead: string;
  /** Names of keys, without case and punctuation, as our specification and other proxies write them. */
  readonly keys: readonly string[];
}

const FEATURES: readonly Feature[] = [
  {
    name: "Permissive mode (plaintext and mTLS on one port)",
    instead: "Give plaintext callers a port of the application itself until they have moved.",
    keys: ["permissive", "permissivemode", "mode", "mtls", "mtlsmode", "allowplaintext", "plaintext"],
  },
  {
    name: "An external authorizer",
    instead: "Write the rules as policies in policyFile.",
    keys: [
      ...["authorizer", "externalauthorizer", "externalauthorization", "extauthz", "extauth", "authorization"],
      ...["externalauthz", "custom", "provider"],
    ],
  },
  {
    name: "JWT claims in policies",
    instead: "Let the application check the token.",
    keys: [
      ...["jwt", "jwts", "jwtauth", "jwtproviders", "jwtrules", "jwks", "requestauthentication", "claims", "notclaims"],
      ...["jwtclaims", "notjwtclaims", "requestprincipals", "notrequestprincipals"],
    ],
  },
  {
    name: "WebSocket upgrade",
    instead: "Use a listener with protocol: tcp for it.",
    keys: ["websocket", "websockets", "allowwebsocket", "upgrade", "upgrades", "allowupgrade", "upgradeconfigs"],
  },
  {
    name: "Outlier ejection",
    instead: "Targets are taken in turn, and those that refuse a connection are passed over.",
    keys: ["outlier", "outlierejection", "outlierdetection", "ejection", "circuitbreaker", "circuitbreakers"],
  },
  {
    name: "A rate limit",
    instead: "limits.connections and limits.connectionsPerAddress bound what one caller can use up.",
    keys: ["ratelimit", "ratelimits", "ratelimiting", "localratelimit", "requestspersecond"],
  },
  {
    name: "The PROXY protocol",
    instead: "It is refused on the wire, too: whoever writes it could pretend any address.",
    keys: ["proxyprotocol", "acceptproxyprotocol", "sendproxyprotocol", "sendproxy"],
  },
];

const FEATURE_OF = new Map(FEATURES.flatMap((feature) => feature.keys.map((key) => [key, feature] as const)));

const OTHER_IDENTITIES: ReadonlySet<string> = new Set(["workload-api", "spiffe-workload-api", "spire", "agent", "sds"]);

/** Deeper than any key of ours goes; bounds the recursion. Whoever reads the file refuses what is there. */
const MAX_DEPTH = 20;

/** Looks at every key of the file as it was written. @throws ConfigError MCA_CONFIG_UNSUPPORTED */
export function refuseUnsupported(value: unknown): void {
  look(value, "", 0);
}

function look(value: unknown, path: string, depth: number): void {
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) look(item, `${path}[${index}]`, depth + 1);
    return;
  }
  for (const [key, inner] of Object.entries(value)) {
    const at = path === "" ? key : `${path}.${key}`;
    // An action of a policy is the one feature that is asked for by a value.
    const asked = key === "action" && typeof inner === "string" ? inner : key;
    const feature = FEATURE_OF.get(asked.toLowerCase().replaceAll(/[^a-z0-9]/g, ""));
    if (feature !== undefined) throw unsupported(`${at}: ${feature.name} is not supported yet. ${feature.instead}`, at);
    if (at === "identity.kind" && typeof inner === "string" && OTHER_IDENTITIES.has(inner)) {
      throw unsupported(
        `identity.kind: ${inner} is not supported yet. Take mesh-ca, or let its holder write files and take files.`,
        at,
      );
    }
    look(inner, at, depth + 1);
  }
}

function unsupported(sentence: string, path: string): ConfigError {
  return new ConfigError("MCA_CONFIG_UNSUPPORTED", sentence, { details: { path } });
}
