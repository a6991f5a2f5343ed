// The import rule of the rooms, on the real source, and on fixtures that break it in every way that TypeScript offers.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { violations } from "./import-rule.ts";
import { rooms } from "./rooms.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

describe("The import rule on src/", () => {
  const files = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?[tj]s$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));

  test("every file keeps to the rooms that its own room may use", () => {
    assert.ok(files.length > 0, "no source file was found, so nothing was checked");
    const generated = (path: string): boolean => path.startsWith("src/proto/gen/");
    const found = files
      .filter((path) => !generated(path))
      .flatMap((path) => violations(path, readFileSync(join(root, path), "utf8")));
    assert.deepEqual(found, [], `\n${found.join("\n")}\n`);
  });

  test("every folder of src/ is a room of the table", () => {
    const folders = readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    assert.deepEqual(
      folders.map((entry) => entry.name).filter((name) => !rooms.has(name)),
      [],
    );
  });
});

describe("The import rule on fixtures", () => {
  const caught: readonly (readonly [what: string, path: string, source: string, expected: RegExp])[] = [
    ["a static import", "src/x509/a.ts", `import { Ledger } from "../ca/index.ts";`, /x509 must not import from ca/],
    ["a type import", "src/ca/a.ts", `import type { X } from "../tls/index.ts";`, /ca must not import from tls/],
    [
      "an inline type import",
      "src/ca/a.ts",
      `import { type X } from "../proto/gen/x.ts";`,
      /ca must not import from proto/,
    ],
    ["a re-export", "src/spiffe/index.ts", `export { X } from "../tls/index.ts";`, /spiffe must not import from tls/],
    [
      "a re-export of everything",
      "src/spiffe/index.ts",
      `export * from "../tls/index.ts";`,
      /spiffe must not import from tls/,
    ],
    [
      "a type re-export",
      "src/runtime/index.ts",
      `export type { X } from "../x509/index.ts";`,
      /runtime must not import from x509/,
    ],
    [
      "a dynamic import",
      "src/identity-client/a.ts",
      `await import("../ca/index.ts");`,
      /identity-client must not import from ca/,
    ],
    [
      "an import type",
      "src/identity-client/a.ts",
      `let a: import("../identity-api/a.ts").A;`,
      /must not import from identity-api/,
    ],
    ["an import-equals", "src/ca/a.ts", `import a = require("../tls/index.ts");`, /ca must not import from tls/],
    ["a side-effect import", "src/tls/a.ts", `import "../ca/index.ts";`, /tls must not import from ca/],
    [
      "a deep relative path",
      "src/ca/store/a.ts",
      `import { x } from "../../identity-api/grpc/x.ts";`,
      /must not import from identity-api/,
    ],
    ["a computed dynamic import", "src/tls/a.ts", "const n = 'x'; await import(n);", /computed/],
    ["an import of a test from src", "src/tls/a.ts", `import { x } from "../../test/support/x.ts";`, /outside src/],
    ["node:tls outside src/tls", "src/identity-api/a.ts", `import { connect } from "node:tls";`, /only src\/tls\/ may/],
    ["node:http2, whoever asks", "src/proxy-tls/a.ts", `import { connect } from "node:http2";`, /only tests may/],
    ["node:tls without its prefix", "src/identity-client/a.ts", `import tls from "tls";`, /only src\/tls\/ may/],
    ["pg outside the store", "src/ca/ledger/a.ts", `import pg from "pg";`, /only src\/ca\/store\/ may/],
    ["a transport in ca", "src/ca/a.ts", `import { Server } from "@grpc/grpc-js";`, /must not know/],
    ["a socket in the HTTP/2 engine", "src/http2/a.ts", `import { connect } from "node:net";`, /must not know/],
    [
      "a socket's type in the HTTP/2 engine",
      "src/http2/a.ts",
      `import type { Socket } from "node:net";`,
      /only src\/http2\/socket\/ may/,
    ],
    [
      "a type of Node's in an import type",
      "src/http2/hpack/a.ts",
      `let a: import("node:net").Socket;`,
      /only src\/http2\/socket\/ may/,
    ],
    ["a socket opened at the engine's edge", "src/http2/socket/a.ts", `import net from "node:net";`, /must not know/],
    [
      "the engine's edge inside the engine",
      "src/http2/a.ts",
      `import type { SocketDriver } from "./socket/a.ts";`,
      /only index\.ts of http2 may/,
    ],
    [
      "a room above the HTTP/2 engine",
      "src/http2/a.ts",
      `import { x } from "../tls/index.ts";`,
      /http2 must not import/,
    ],
    ["files read in a pure room", "src/spiffe/a.ts", `import { readFileSync } from "node:fs";`, /is pure/],
    [
      "randomness of node:crypto",
      "src/ca/a.ts",
      `import { createHash, randomBytes } from "node:crypto";`,
      /RandomSource/,
    ],
    ["randomness under another name", "src/tls/a.ts", `import { randomUUID as id } from "crypto";`, /RandomSource/],
    ["Math.random", "src/ca/a.ts", "export const x = Math.random();", /uses Math\.random/],
    ["Math.random in brackets", "src/ca/a.ts", `export const x = Math["random"]();`, /uses Math\.random/],
    ["Math.random destructured", "src/ca/a.ts", "const { random } = Math;", /uses Math\.random/],
    ["Date.now", "src/tls/a.ts", "export const x = Date.now();", /uses Date\.now/],
    ["Date.now as a value", "src/tls/a.ts", "export const now = globalThis.Date.now;", /uses Date\.now/],
    ["new Date without a time", "src/cli/a.ts", "export const x = new Date();", /uses new Date\(\)/],
    ["process.env", "src/identity-api/a.ts", `export const x = process.env["HOME"];`, /uses process\.env/],
    ["process.env destructured", "src/ca/a.ts", "const { env } = process;", /uses process\.env/],
    ["an unknown room", "src/helpers/a.ts", "export const x = 1;", /lies in no room/],
    ["a file in no room", "src/a.ts", "export const x = 1;", /lies in no room/],
    ["a file that cannot be parsed", "src/ca/a.ts", "import {", /cannot be read/],
  ];
  for (const [what, path, source, expected] of caught) {
    test(`${what} is caught`, () => assert.match(violations(path, source).join("\n"), expected));
  }

  const taken: readonly (readonly [what: string, path: string, source: string])[] = [
    ["a room that is allowed", "src/identity-api/a.ts", `import { Ledger } from "../ca/index.ts";`],
    ["the room itself", "src/ca/ledger/a.ts", `import { x } from "../store/index.ts";`],
    ["types of node:tls", "src/identity-api/a.ts", `import type { TLSSocket } from "node:tls";`],
    ["a socket's type at the engine's edge", "src/http2/socket/a.ts", `import type { Socket } from "node:net";`],
    ["the engine at its edge", "src/http2/socket/a.ts", `import type { X } from "../connection.ts";`],
    ["the engine's edge in its index", "src/http2/index.ts", `export { SocketDriver } from "./socket/a.ts";`],
    ["node:tls inside src/tls", "src/tls/a.ts", `import tls from "node:tls";`],
    ["the clock's own file", "src/runtime/clock.ts", "export const x = Date.now();"],
    ["a date from a given time", "src/ca/a.ts", "export const x = (t: number) => new Date(t);"],
    ["the environment in the CLI", "src/cli/a.ts", "export const x = process.env;"],
    ["a name in a comment or a string", "src/ca/a.ts", `// Date.now()\nexport const x = "Math.random()";`],
  ];
  for (const [what, path, source] of taken) {
    test(`${what} is fine`, () => assert.deepEqual(violations(path, source), []));
  }
});
