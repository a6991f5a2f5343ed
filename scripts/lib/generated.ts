// Everything that is generated and checked in, each with its maker: `npm run generate` writes them in place, `npm run
// check` writes them elsewhere and compares. One list serves both, so that nothing generated can be forgotten by the check.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { configJsonSchema, renderConfigurationDocs } from "../../src/identity-api/config/index.ts";
import { proxyConfigJsonSchema, renderProxyConfigurationDocs } from "../../src/proxy-tls/config/index.ts";
import { policyJsonSchema } from "../../src/proxy-tls/policy/index.ts";
import { capture, projectRoot } from "./command.ts";
import { renderPerformancePage } from "./performance-page.ts";

/** Something generated: the path it lives at (a file or a folder) and what writes it below another root. */
export interface Generated {
  readonly path: string;
  /** Writes `<root>/<path>`; throws with what the tool printed. */
  write(root: string): Promise<void>;
}

export const generated: readonly Generated[] = [
  { path: "src/proto/gen", write: (root) => tool("buf", ["generate", "-o", root]) },
  {
    path: "src/proto/descriptor.binpb",
    write: (root) => {
      mkdirSync(join(root, "src/proto"), { recursive: true });
      return tool("buf", ["build", "-o", join(root, "src/proto/descriptor.binpb")]);
    },
  },
  {
    path: "docs/configuration.md",
    write: (root) => writeText(root, "docs/configuration.md", renderConfigurationDocs()),
  },
  {
    path: "docs/mesh-ca.schema.json",
    write: (root) => writeText(root, "docs/mesh-ca.schema.json", toText(configJsonSchema())),
  },
  {
    path: "docs/proxy-configuration.md",
    write: (root) => writeText(root, "docs/proxy-configuration.md", renderProxyConfigurationDocs()),
  },
  {
    path: "docs/mesh-ca-proxy.schema.json",
    write: (root) => writeText(root, "docs/mesh-ca-proxy.schema.json", toText(proxyConfigJsonSchema())),
  },
  {
    path: "docs/mesh-ca-policies.schema.json",
    write: (root) => writeText(root, "docs/mesh-ca-policies.schema.json", toText(policyJsonSchema())),
  },
  {
    path: "docs/performance.md",
    write: (root) => writeText(root, "docs/performance.md", renderPerformancePage(readIfThere("docs/figures.json"))),
  },
];

function toText(schema: Record<string, unknown>): string {
  return `${JSON.stringify(schema, null, 2)}\n`;
}

function readIfThere(path: string): string | undefined {
  const file = join(projectRoot, path);
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

async function tool(program: string, args: readonly string[]): Promise<void> {
  const result = await capture(program, args);
  if (result.code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${result.code}:\n${result.output}`);
}

/** The configuration's page and its JSON Schema are made from the schema that the server loads by, so that they cannot disagree. */
async function writeText(root: string, path: string, text: string): Promise<void> {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
