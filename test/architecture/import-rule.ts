// Reads one source file with oxc-parser and says which imports and expressions break the table in rooms.ts. Every form of
// import counts: static, type-only, re-export, dynamic, import types, import-equals and require. Pure: text in, findings out.
import { posix } from "node:path";
import { parseSync } from "oxc-parser";
import { isNode, nodesOf, type SyntaxNode } from "../../scripts/lib/syntax.ts";
import { type Room, reservedExpressions, reservedModules, reservedNames, rooms } from "./rooms.ts";

/** One import of a file: what it names, and whether only types are taken from it. */
interface Import {
  readonly target: string;
  readonly typeOnly: boolean;
  readonly at: number;
  /** The names taken, where the form of import tells them. */
  readonly names?: readonly string[];
}

/** The violations in `source`, one sentence each. `path` is relative to the project, with forward slashes. */
export function violations(path: string, source: string): string[] {
  const parsed = parseSync(path, source);
  const found = parsed.errors.map((error) => `${path}: cannot be read: ${error.message}`);
  const say = (at: number, sentence: string): void => {
    found.push(`${path}:${source.slice(0, at).split("\n").length}: ${sentence}`);
  };
  const room = roomOf(path);
  const allowed = room === undefined ? undefined : rooms.get(room);
  if (room === undefined || allowed === undefined) return [`${path}: lies in no room of test/architecture/rooms.ts`];

  const imports: Import[] = [];
  for (const entry of parsed.module.staticImports) {
    const typeOnly = entry.entries.length > 0 && entry.entries.every((name) => name.isType);
    const names = entry.entries.map((name) => name.importName.name ?? "*");
    imports.push({ target: entry.moduleRequest.value, typeOnly, at: entry.start, names });
  }
  for (const statement of parsed.module.staticExports) {
    for (const entry of statement.entries) {
      if (entry.moduleRequest)
        imports.push({ target: entry.moduleRequest.value, typeOnly: entry.isType, at: entry.start });
    }
  }
  for (const node of nodesOf(parsed.program)) {
    const hidden = hiddenImport(node);
    if (hidden === "computed") say(node.start, "imports a module whose name is computed, so that nobody can check it");
    else if (hidden !== undefined) imports.push(hidden);
    const expression = reservedExpression(node);
    const rule = expression === undefined ? undefined : reservedExpressions.get(expression);
    if (rule && !rule.allowed.some((place) => path.startsWith(place)))
      say(node.start, `uses ${expression}; ${rule.instead}`);
  }
  for (const item of imports) {
    const sentence = judge(path, room, allowed, item);
    if (sentence !== undefined) say(item.at, sentence);
  }
  return found;
}

function judge(path: string, room: string, allowed: Room, item: Import): string | undefined {
  if (item.target.startsWith(".")) return judgeOurs(path, room, allowed, item.target);
  const name = item.target.startsWith("node:") || !isBuiltin(item.target) ? item.target : `node:${item.target}`;
  const owners = reservedModules.get(name);
  if (owners && !item.typeOnly && !owners.some((place) => path.startsWith(place))) {
    return `imports ${name}, which only ${owners.join(", ") || "tests"} may (types are free)`;
  }
  if (item.typeOnly) {
    const inside = allowed.edge === undefined || !name.startsWith("node:") || path.startsWith(allowed.edge);
    return inside ? undefined : `names a type of ${name}, which only ${allowed.edge} may`;
  }
  const reserved = reservedNames.get(name);
  const taken = reserved?.names.find((word) => item.names?.includes(word));
  if (taken !== undefined && !reserved?.allowed.includes(path))
    return `imports ${taken}; take a RandomSource as a parameter`;
  if (allowed.never?.some((pattern) => matches(pattern, name)))
    return `imports ${name}, which the room ${room} must not know`;
  if (allowed.onlyNode && name.startsWith("node:") && !allowed.onlyNode.includes(name)) {
    return `imports ${name}; the room ${room} is pure and uses only ${allowed.onlyNode.join(", ")}`;
  }
  return undefined;
}

function judgeOurs(path: string, room: string, allowed: Room, target: string): string | undefined {
  const resolved = posix.normalize(posix.join(posix.dirname(path), target));
  const other = roomOf(resolved);
  if (other === undefined) return `imports ${target}, which lies outside src/`;
  if (other === room) return judgeEdge(path, room, allowed, resolved);
  if (!allowed.rooms.includes(other)) return `the room ${room} must not import from ${other} (${target})`;
  return undefined;
}

function judgeEdge(path: string, room: string, { edge }: Room, resolved: string): string | undefined {
  if (edge === undefined || !resolved.startsWith(edge) || path.startsWith(edge)) return undefined;
  return path === `src/${room}/index.ts` ? undefined : `imports from ${edge}, which only index.ts of ${room} may`;
}

/** An import that is no import declaration; "computed" where its target is not a literal. */
function hiddenImport(node: SyntaxNode): Import | "computed" | undefined {
  if (node.type === "ImportExpression") return literalImport(node["source"], node.start, false);
  if (node.type === "TSImportType") return literalImport(node["source"] ?? node["argument"], node.start, true);
  if (node.type === "TSExternalModuleReference") return literalImport(node["expression"], node.start, false);
  if (node.type === "CallExpression" && textOf(node["callee"]) === "require") {
    const args = node["arguments"];
    return literalImport(Array.isArray(args) ? args[0] : undefined, node.start, false);
  }
  return undefined;
}

function literalImport(node: unknown, at: number, typeOnly: boolean): Import | "computed" {
  if (isNode(node) && node.type === "Literal" && typeof node["value"] === "string")
    return { target: node["value"], typeOnly, at };
  if (isNode(node) && node.type === "TSLiteralType") return literalImport(node["literal"], at, typeOnly);
  return "computed";
}

/** The name in rooms.ts of a reserved expression that this node is, destructuring included. */
function reservedExpression(node: SyntaxNode): string | undefined {
  if (node.type === "NewExpression" && textOf(node["callee"]) === "Date") {
    const args = node["arguments"];
    return Array.isArray(args) && args.length === 0 ? "new Date()" : undefined;
  }
  if (node.type === "MemberExpression") return textOf(node)?.replace(/^globalThis\./, "");
  if (node.type === "VariableDeclarator" && isNode(node["id"]) && node["id"].type === "ObjectPattern") {
    const source = textOf(node["init"]);
    const properties = node["id"]["properties"];
    const keys = Array.isArray(properties)
      ? properties.map((property) => (isNode(property) ? textOf(property["key"]) : undefined))
      : [];
    return keys.map((key) => `${source}.${key}`).find((name) => reservedExpressions.has(name));
  }
  return undefined;
}

/** `a.b` for identifiers and member expressions with plain or quoted names; undefined for anything else. */
function textOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === "Identifier") return String(node["name"]);
  if (node.type === "Literal") return String(node["value"]);
  if (node.type === "ChainExpression") return textOf(node["expression"]);
  if (node.type !== "MemberExpression") return undefined;
  const object = textOf(node["object"]);
  const property = textOf(node["property"]);
  return object === undefined || property === undefined ? undefined : `${object}.${property}`;
}

function roomOf(path: string): string | undefined {
  const parts = path.split("/");
  return parts[0] === "src" && parts.length > 2 ? parts[1] : undefined;
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith("*")
    ? name.startsWith(pattern.slice(0, -1))
    : name === pattern || name.startsWith(`${pattern}/`);
}

function isBuiltin(name: string): boolean {
  return process.getBuiltinModule(name) !== undefined;
}
