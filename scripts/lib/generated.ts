// Everything that is generated and checked in, each with its maker: `npm run generate` writes them in place, `npm run
// check` writes them elsewhere and compares. One list serves both, so that nothing generated can be forgotten by the check.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { capture, projectRoot } from "./command.ts";

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
    write: (root) => fromConfig(root, "docs/configuration.md", "renderConfigurationDocs"),
  },
];

async function tool(program: string, args: readonly string[]): Promise<void> {
  const result = await capture(program, args);
  if (result.code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${result.code}:\n${result.output}`);
}

/** The configuration's page is rendered from its schema, so that page and server cannot disagree. */
async function fromConfig(root: string, path: string, maker: string): Promise<void> {
  const room = join(projectRoot, "src/identity-api/config/index.ts");
  if (!existsSync(room)) throw new Error(`${path} cannot be made: src/identity-api/config/index.ts is missing.`);
  const exports: Record<string, unknown> = await import(pathToFileURL(room).href);
  const render = exports[maker];
  if (typeof render !== "function")
    throw new Error(`${path} cannot be made: ${maker} is not exported by src/identity-api/config.`);
  const text: unknown = render();
  if (typeof text !== "string") throw new Error(`${path} cannot be made: ${maker}() gave no text.`);
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
