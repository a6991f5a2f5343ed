// The rooms of src/ and what each may use (design: "who may import whom"). The import rule is checked against this table.
// A room that is not listed here may not exist; add it here, with a reason in ARCHITECTURE.md, before adding the folder.

/** What a room may import. */
export interface Room {
  /** Other rooms, by folder name. */
  readonly rooms: readonly string[];
  /** Where given: the only modules of Node that this room may use. */
  readonly onlyNode?: readonly string[];
  /** Where given: modules of Node and packages that this room must not use. */
  readonly never?: readonly string[];
  /**
   * Where given: the one folder of a pure room that may name types of Node's modules, because it is handed what they describe. Nothing else of
   * the room may import it, but for its index.ts.
   */
  readonly edge?: string;
}

const TRANSPORT = ["@grpc/*", "fastify", "node:http", "node:http2", "node:https", "node:net", "node:tls", "node:dgram"];

export const rooms: ReadonlyMap<string, Room> = new Map<string, Room>([
  ["runtime", { rooms: [], never: TRANSPORT }],
  ["x509", { rooms: ["runtime"], onlyNode: ["node:crypto", "node:util"], never: ["pg", "pino"] }],
  ["spiffe", { rooms: ["x509", "runtime"], onlyNode: ["node:crypto", "node:util"], never: ["pg", "pino"] }],
  ["proto", { rooms: [] }],
  ["tls", { rooms: ["spiffe", "x509", "runtime"], never: ["pg", "fastify"] }],
  // A protocol engine: bytes in, events out. Whose connection it is, and how it is encrypted, is its callers' business, who hand its edge a socket.
  ["http2", { rooms: ["runtime"], onlyNode: [], never: ["pg", "pino", ...TRANSPORT], edge: "src/http2/socket/" }],
  // `ca` knows no transport. PostgreSQL's TLS options come as a parameter from the composition root.
  ["ca", { rooms: ["spiffe", "x509", "runtime"], never: TRANSPORT }],
  ["identity-api", { rooms: ["ca", "http2", "tls", "proto", "spiffe", "x509", "runtime"], never: ["pg"] }],
  ["identity-client", { rooms: ["tls", "proto", "spiffe", "x509", "runtime"], never: ["pg", "fastify"] }],
  ["agent", { rooms: ["identity-client", "tls", "proto", "spiffe", "x509", "runtime"], never: ["pg", "fastify"] }],
  ["proxy-tls", { rooms: ["http2", "identity-client", "tls", "proto", "spiffe", "x509", "runtime"], never: ["pg"] }],
  [
    "cli",
    {
      rooms: ["ca", "identity-api", "identity-client", "proxy-tls", "tls", "proto", "spiffe", "x509", "runtime"],
      never: ["pg", "fastify"],
    },
  ],
]);

/** Modules of Node whose values only these folders may import (types are free everywhere). */
export const reservedModules: ReadonlyMap<string, readonly string[]> = new Map([
  // One module builds every TLS option (invariant 6).
  ["node:tls", ["src/tls/"]],
  // HTTP/2 is src/http2's; Node's is what tests compare it with.
  ["node:http2", []],
  // PostgreSQL has one door.
  ["pg", ["src/ca/store/"]],
]);

/** Expressions that hide an input, and the only places that may use them (invariant 7, and: configuration has one door). */
export const reservedExpressions: ReadonlyMap<
  string,
  { readonly allowed: readonly string[]; readonly instead: string }
> = new Map([
  ["Math.random", { allowed: [], instead: "take a RandomSource as a parameter" }],
  ["crypto.getRandomValues", { allowed: [], instead: "take a RandomSource as a parameter" }],
  ["crypto.randomUUID", { allowed: [], instead: "take a RandomSource as a parameter" }],
  ["crypto.randomBytes", { allowed: [], instead: "take a RandomSource as a parameter" }],
  ["Date.now", { allowed: ["src/runtime/clock.ts"], instead: "take a Clock as a parameter" }],
  ["new Date()", { allowed: ["src/runtime/clock.ts"], instead: "take a Clock as a parameter" }],
  [
    "process.env",
    {
      allowed: ["src/runtime/", "src/cli/"],
      instead: "read the environment in src/runtime or src/cli and hand the value over",
    },
  ],
]);

/** Functions of node:crypto that draw randomness of their own, and the only file that may import them (invariant 7). */
export const reservedNames: ReadonlyMap<
  string,
  { readonly names: readonly string[]; readonly allowed: readonly string[] }
> = new Map([
  [
    "node:crypto",
    {
      names: ["randomBytes", "randomFill", "randomFillSync", "randomInt", "randomUUID"],
      allowed: ["src/runtime/random.ts"],
    },
  ],
]);
