// Where this package lies on disk, so that files read at run time (migrations, descriptor, JSON schemas) are found alike
// from src/ (Node runs the .ts files) and from dist/ (the published package).
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

let root: string | undefined;

/** The nearest folder above this file that has a package.json. Throws a TypeError when there is none (a broken installation). */
export function packageRoot(): string {
  if (root !== undefined) return root;
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new TypeError("mesh-ca is not installed completely: no package.json above its own files");
    folder = parent;
  }
  root = folder;
  return folder;
}
