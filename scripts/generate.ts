// `npm run generate`: writes everything that is generated and checked in (scripts/lib/generated.ts has the list).
import { projectRoot, stop } from "./lib/command.ts";
import { generated } from "./lib/generated.ts";

for (const item of generated) {
  try {
    await item.write(projectRoot);
    console.log(`${item.path}: written`);
  } catch (error) {
    stop(error instanceof Error ? error.message : String(error));
  }
}
