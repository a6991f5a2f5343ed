// Completes package-lock.json. npm leaves the optional packages of other platforms out of the lock where its registry does
// not carry them, and then `npm ci` refuses that very lock. This adds an entry for each of them.
//   npm run lock               completes the lock; run it after every `npm install`
//   npm run lock -- --check    changes nothing; ends with 1 and names what is missing
// Plain JavaScript for any Node from 18 on, because it must run before `npm ci` can.
import { readFileSync, writeFileSync } from "node:fs";

const OPERATING_SYSTEMS = "aix android darwin freebsd linux netbsd openbsd openharmony sunos win32".split(" ");
// Names in package names, and what process.arch calls them.
const PROCESSORS = {
  aarch64: "arm64",
  arm: "arm",
  arm64: "arm64",
  armv7: "arm",
  ia32: "ia32",
  loong64: "loong64",
  mips64el: "mips64el",
  ppc64: "ppc64",
  ppc64le: "ppc64",
  riscv64: "riscv64",
  s390x: "s390x",
  wasm32: "wasm32",
  x64: "x64",
}; // prettier-ignore
const EXACT_VERSION = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;

/** The folders in which a package at `path` finds `name`, nearest first. */
function* candidates(path, name) {
  for (let folder = path; ; folder = folder.replace(/(^|\/)node_modules\/(@[^/]+\/)?[^/]+$/, "")) {
    yield `${folder === "" ? "" : `${folder}/`}node_modules/${name}`;
    if (folder === "") return;
  }
}

/** What npm itself writes for an optional platform package that it did not install; undefined if the name tells no platform. */
function platformEntry(name, version, parent) {
  const parts = name.replace(/^@[^/]+\//, "").split("-");
  const os = parts.find((part) => OPERATING_SYSTEMS.includes(part));
  const cpu = parts.map((part) => PROCESSORS[part]).find((found) => found !== undefined);
  if (cpu === undefined) return undefined;
  const musl = parts.some((part) => part.startsWith("musl"));
  return {
    version,
    ...(parent.dev ? { dev: true } : {}),
    optional: true,
    ...(os === undefined ? {} : { os: [os] }),
    cpu: [cpu],
    ...(os === "linux" ? { libc: [musl ? "musl" : "glibc"] } : {}),
  };
}

function missingEntries(packages) {
  const additions = new Map();
  const problems = [];
  for (const [path, parent] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
      if ([...candidates(path, name)].some((place) => place in packages)) continue;
      const place = `node_modules/${name}`;
      const entry = EXACT_VERSION.test(version) ? platformEntry(name, version, parent) : undefined;
      if (entry === undefined)
        problems.push(
          `${name}@${version} (wanted by ${path || "package.json"}) has no entry, and none can be derived from its name`,
        );
      else additions.set(place, entry);
    }
  }
  return { additions, problems };
}

/** Where the lock disagrees with package.json, or names a registry. */
function disagreements(lock, manifest) {
  const root = lock.packages[""] ?? {};
  const found = [];
  for (const kind of ["dependencies", "devDependencies", "optionalDependencies"]) {
    const wanted = manifest[kind] ?? {};
    const locked = root[kind] ?? {};
    for (const name of new Set([...Object.keys(wanted), ...Object.keys(locked)])) {
      if (wanted[name] !== locked[name])
        found.push(
          `${kind}.${name} is ${wanted[name] ?? "absent"} in package.json and ${locked[name] ?? "absent"} in the lock`,
        );
    }
  }
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (typeof entry.resolved === "string" && /^[a-z+]+:\/\//.test(entry.resolved))
      found.push(`${path} names where it was downloaded from`);
  }
  return found;
}

const folder = new URL("../", import.meta.url);
const lockFile = new URL("package-lock.json", folder);
const check = process.argv.includes("--check");
const lock = JSON.parse(readFileSync(lockFile, "utf8"));
const manifest = JSON.parse(readFileSync(new URL("package.json", folder), "utf8"));
const { additions, problems } = missingEntries(lock.packages);

if (check) {
  const all = [
    ...[...additions.keys()].map((place) => `${place} is missing (npm run lock adds it)`),
    ...problems,
    ...disagreements(lock, manifest),
  ];
  for (const problem of all) console.error(problem);
  if (all.length > 0)
    console.error(`package-lock.json is not complete: ${all.length} problems. Run "npm install", then "npm run lock".`);
  process.exitCode = all.length === 0 ? 0 : 1;
} else {
  for (const [place, entry] of additions) lock.packages[place] = entry;
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(lockFile, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`package-lock.json: ${additions.size} entries added.`);
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
