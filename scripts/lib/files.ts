// Finding and comparing files for our scripts.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
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

/** How two files, or two folders with all their files, differ: ": missing", "/a/b.ts: different", ... Empty: not at all. */
export function pathDifferences(expected: string, actual: string): string[] {
  const left = contents(expected);
  const right = contents(actual);
  const found: string[] = [];
  for (const [path, bytes] of left) {
    const other = right.get(path);
    if (other === undefined) found.push(`${path}: missing`);
    else if (!bytes.equals(other)) found.push(`${path}: different`);
  }
  for (const path of right.keys()) if (!left.has(path)) found.push(`${path}: left over`);
  return found.sort();
}

/** The bytes of a file (under "") or of each file of a folder (under "/" and its path in there). */
function contents(path: string): ReadonlyMap<string, Buffer> {
  if (!existsSync(path)) return new Map();
  if (statSync(path).isFile()) return new Map([["", readFileSync(path)]]);
  return new Map(
    readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [`/${relative(path, file)}`, readFileSync(file)]),
  );
}
