// Small readers of syntax trees: every node, every text, the names of tests.

const TEST_CALLS = new Set(["test", "it", "describe", "suite"]);

/** A node of an oxc-parser tree, read without its types: a check looks at a few fields of any kind of node. */
export interface SyntaxNode {
  readonly type: string;
  /** Where it begins in the source. */
  readonly start: number;
  readonly [field: string]: unknown;
}

/** The names of tests: the first argument of test(), it() and describe(). A skipped test proves nothing and is left out; of a name
 * that a loop completes the first part counts. */
export function testNames(tree: unknown): string[] {
  return nodesOf(tree).flatMap((node) => {
    if (node.type !== "CallExpression" || !Array.isArray(node["arguments"])) return [];
    const { callee } = node;
    if (!isNode(callee) || callee.type !== "Identifier" || !TEST_CALLS.has(String(callee["name"]))) return [];
    const name = textsOf(node["arguments"][0])[0];
    return name === undefined ? [] : [name];
  });
}

/** Every string in a tree: literals, and the fixed parts of templates. */
export function stringsOf(tree: unknown): string[] {
  return nodesOf(tree).flatMap(textsOf);
}

function textsOf(node: unknown): string[] {
  if (!isNode(node)) return [];
  if (node.type === "Literal") return typeof node["value"] === "string" ? [node["value"]] : [];
  if (node.type !== "TemplateLiteral" || !Array.isArray(node["quasis"])) return [];
  return node["quasis"].map((part) => String(part?.value?.cooked ?? ""));
}

/** Every node of a tree, each before its children. */
export function nodesOf(tree: unknown): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) walk(item);
    else if (typeof value === "object" && value !== null) {
      if (isNode(value)) found.push(value);
      for (const child of Object.values(value)) walk(child);
    }
  };
  walk(tree);
  return found;
}

export function isNode(value: unknown): value is SyntaxNode {
  return (
    typeof value === "object" && value !== null && "type" in value && typeof value.type === "string" && "start" in value
  );
}
