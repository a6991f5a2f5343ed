// A replica in a process of its own: commits intents as fast as it can and prints each index as soon as it is promised.
// argv: connection string, name, how many in flight.
import { openDatabase } from "../../../src/ca/store/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { intentOf, reopenLedger } from "./support.ts";

const [, , connectionString = "", name = "", inFlight = "8"] = process.argv;
const database = await openDatabase({ connectionString, role: "mesh_ca_app", poolSize: 2, logger: silentLogger });
const ledger = await reopenLedger(database);
let over = false;
process.once("SIGTERM", () => {
  over = true;
});

async function worker(): Promise<void> {
  while (!over) {
    const intent = intentOf({ spiffeId: `spiffe://example.test/${name}` });
    try {
      const result = await ledger.commit(intent);
      if (result.kind !== "committed") throw new TypeError("not a retry");
      const serial = Buffer.from(intent.fields.serial).toString("hex");
      process.stdout.write(`${result.intent.logIndex} ${serial}\n`);
      ledger.reportOutcome({ logIndex: result.intent.logIndex, result: "signed", signature: new Uint8Array(70) });
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20)); // the database is away
    }
  }
}

await Promise.all(Array.from({ length: Number(inFlight) }, worker));
await ledger.close();
await database.close();
