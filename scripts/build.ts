// `npm run build`: dist/ for the package and for production. tsc emits JavaScript and types; the files that it does not
// copy (SQL, JSON Schemas, the descriptor for reflection) are copied beside them, at the same place as in src/.
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { projectRoot, run, stop } from "./lib/command.ts";
import { filesBelow } from "./lib/files.ts";

const ASSET = /\.(sql|json|binpb|proto)$/;

rmSync(join(projectRoot, "dist"), { recursive: true, force: true });
const code = await run("tsc", ["-p", "tsconfig.build.json"]);
if (code !== 0) stop("The build stopped: tsc found errors (listed above).", code);
const assets = filesBelow("src", (path) => ASSET.test(path));
for (const path of assets) {
  const target = join(projectRoot, path.replace(/^src\//, "dist/"));
  mkdirSync(dirname(target), { recursive: true });
  cpSync(join(projectRoot, path), target);
}
console.log(`dist/ is built (${assets.length} assets copied).`);
