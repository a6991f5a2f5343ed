// What the HTTP engine of the proxy may not use, on the real source and on fixtures that break it: conversions that repair what they read
// (NBSP, "", 1e3, 0x10, "2x" all get through one of them), `.close(`, which on many a stream completes what it should abort, and
// markChecked, which brands fields as safe to write without a look, outside of those that looked.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseSync } from "oxc-parser";
import { filesBelow, readProjectFile } from "../../scripts/lib/files.ts";
import { isNode, nodesOf, type SyntaxNode } from "../../scripts/lib/syntax.ts";

const ENGINE = "src/proxy-tls/http/";
/** Where `.close(` may be said, and why. */
const MAY_CLOSE = new Map([[`${ENGINE}http-service.ts`, "the pool, which destroys"]]);

/** Who puts every field through checkField as it reads or makes it. */
const MAY_MARK = new Set(
  ["safe-fields", "request-fields", "screen-response", "screen-trailers", "outgoing"].map(
    (file) => `${ENGINE}fields/${file}.ts`,
  ),
);

const REPAIRING = new Set(["trim", "trimStart", "trimEnd", "trimLeft", "trimRight", "parseInt", "parseFloat"]);
/** What of Number reads nothing. */
const HARMLESS = new Set(["isInteger", "isSafeInteger", "MAX_SAFE_INTEGER", "POSITIVE_INFINITY"]);

/** What a file of the engine uses and may not, each with its line. */
function findings(path: string, source: string): string[] {
  const { program, errors } = parseSync(path, source);
  assert.deepEqual(errors, [], path);
  const nodes = nodesOf(program);
  const harmless = new Set(nodes.filter((node) => HARMLESS.has(propertyOf(node) ?? "")).map((node) => node["object"]));
  return nodes.flatMap((node) => {
    const what = harmless.has(node) ? undefined : (repairing(node) ?? closing(path, node) ?? marking(path, node));
    return what === undefined ? [] : [`${path}:${source.slice(0, node.start).split("\n").length}: ${what}`];
  });
}

function repairing(node: SyntaxNode): string | undefined {
  if (node.type === "UnaryExpression" && node["operator"] === "+") return "unary +";
  if (node.type === "Identifier" && node["name"] === "Number") return "Number";
  const name = node.type === "Identifier" ? String(node["name"]) : propertyOf(node);
  if (name !== undefined && REPAIRING.has(name)) return name;
  const text = node.type === "Literal" ? (node["raw"] ?? "") : node.type === "TemplateElement" ? rawOf(node) : "";
  return /\\s/i.test(String(text)) ? "\\s" : undefined;
}

function closing(path: string, node: SyntaxNode): string | undefined {
  if (MAY_CLOSE.has(path) || node.type !== "CallExpression") return undefined;
  const { callee } = node;
  return isNode(callee) && propertyOf(callee) === "close" ? ".close(" : undefined;
}

function marking(path: string, node: SyntaxNode): string | undefined {
  if (MAY_MARK.has(path) || node.type !== "Identifier" || node["name"] !== "markChecked") return undefined;
  return "markChecked";
}

/** The name behind the dot, or in brackets. */
function propertyOf(node: SyntaxNode): string | undefined {
  const { property } = node;
  // A private method is the class's own: no stream's.
  if (node.type !== "MemberExpression" || !isNode(property) || property.type === "PrivateIdentifier") return undefined;
  return node["computed"] === true ? textOf(property) : String(property["name"]);
}

function textOf(node: SyntaxNode): string | undefined {
  return node.type === "Literal" && typeof node["value"] === "string" ? node["value"] : undefined;
}

function rawOf(node: SyntaxNode): string {
  const { value } = node;
  return typeof value === "object" && value !== null && "raw" in value ? String(value.raw) : "";
}

describe("The HTTP engine", () => {
  const files = filesBelow(ENGINE.slice(0, -1), (path) => path.endsWith(".ts"));

  test("converts nothing by what repairs, and closes nothing that should be aborted", () => {
    assert.ok(files.length > 20, "the engine's source was not found");
    assert.deepEqual(
      files.flatMap((path) => findings(path, readProjectFile(path))),
      [],
    );
  });

  test("says `.close(` in every file that may, so that the table stays true", () => {
    for (const path of MAY_CLOSE.keys()) assert.match(readProjectFile(path), /\.close\(/);
  });
});

describe("The rule of the HTTP engine on fixtures", () => {
  const caught: readonly (readonly [source: string, what: string])[] = [
    ["value.trim();", "trim"],
    ["value?.trimEnd();", "trimEnd"],
    ['value["trimStart"]();', "trimStart"],
    ["list.map(String.prototype.trim.call);", "trim"],
    ["const { trim } = String.prototype;", "trim"],
    ["Number(value);", "Number"],
    ["new Number(value);", "Number"],
    ["values.map(Number);", "Number"],
    ["const toNumber = Number;", "Number"],
    ["Number.parseFloat(value);", "Number"],
    ["parseInt(value, 16);", "parseInt"],
    ["globalThis.parseInt(value);", "parseInt"],
    ["const size = +value;", "unary +"],
    ["const list = /,\\s*/;", "\\s"],
    ["const list = /[^\\S]/;", "\\s"],
    ['new RegExp("\\\\s");', "\\s"],
    ["new RegExp(`\\\\s`);", "\\s"],
    ["stream.close(8);", ".close("],
    ["stream?.close();", ".close("],
    ['stream["close"]();', ".close("],
    ["markChecked(fields);", "markChecked"],
    ['import { markChecked as checked } from "../fields/safe-fields.ts";', "markChecked"],
  ];
  for (const [source, what] of caught) {
    test(`${source} is caught`, () => {
      const found = findings(`${ENGINE}h1/a.ts`, source);
      assert.ok(
        found.some((line) => line.endsWith(`: ${what}`)),
        `found ${found.join(", ")}`,
      );
    });
  }

  const fine = [
    "const a: number = b + 1;",
    "const c = -1;",
    "Number.isSafeInteger(bytes);",
    "const never = Number.POSITIVE_INFINITY;",
    "// value.trim() and Number(x), \\s",
    "const close = connection.close;",
    "const name = 'trimmed';",
    "class A { #close() {} end() { this.#close(); } }",
  ];
  for (const source of fine) {
    test(`${source} is fine`, () => assert.deepEqual(findings(`${ENGINE}h1/a.ts`, source), []));
  }

  test("`.close(` is fine in a file of the table", () => {
    assert.deepEqual(findings(`${ENGINE}http-service.ts`, "pool.close();"), []);
  });
});
