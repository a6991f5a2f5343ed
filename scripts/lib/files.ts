// Finding and comparing files for our scripts.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { projectRoot } from "./command.ts";

/** Every file below `folder` (relative to the project) that `wanted` accepts, as paths relative to the project, sorted. */
export function filesBelow(folder: string, wanted: (path: string) => boolean): string[] {
  const start = join(projectRoot, folder);
  if (!existsSync(start)) return [];
  return readdirSync(start, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(projectRoot, join(entry.parentPath, entry.name)))
    .filter(wanted)
    .sort();
}

/** A file of the project as text. */
export function readProjectFile(path: string): string {
  return readFileSync(join(projectRoot, path), "utf8");
}

/** Paths (relative to their folder) that are missing, extra, or different between two folders. */
export function differences(expected: string, actual: string): string[] {
  const list = (folder: string): Map<string, Buffer> =>
    new Map(
      !existsSync(folder)
        ? []
        : readdirSync(folder, { recursive: true, withFileTypes: true })
            .filter((entry) => entry.isFile())
            .map((entry) => join(entry.parentPath, entry.name))
            .map((path) => [relative(folder, path), readFileSync(path)] as const),
    );
  const left = list(expected);
  const right = list(actual);
  const found: string[] = [];
  for (const [path, bytes] of left) {
    const other = right.get(path);
    if (other === undefined) found.push(`${path}: missing`);
    else if (!bytes.equals(other)) found.push(`${path}: different`);
  }
  for (const path of right.keys()) if (!left.has(path)) found.push(`${path}: left over`);
  return found.sort();
}
