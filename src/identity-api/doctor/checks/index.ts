// Every check of `mesh-ca doctor`, in the order in which they are printed: what everything else stands on comes first.
import type { Check } from "../world.ts";
import { authorityChecks } from "./authorities.ts";
import { bundleChecks } from "./bundle.ts";
import { databaseChecks } from "./database.ts";
import { endpointChecks } from "./endpoint.ts";
import { fileChecks } from "./files.ts";
import { keyChecks } from "./keys.ts";
import { ledgerChecks } from "./ledger.ts";
import { privilegeChecks } from "./privileges.ts";
import { recoveryChecks } from "./recovery.ts";
import { rootChecks } from "./roots.ts";
import { rotationChecks } from "./rotation.ts";
import { serverChecks } from "./server.ts";

export const CHECKS: readonly Check[] = [
  ...fileChecks,
  ...databaseChecks,
  ...privilegeChecks,
  ...authorityChecks,
  ...rootChecks,
  ...rotationChecks,
  ...keyChecks,
  ...bundleChecks,
  ...endpointChecks,
  ...ledgerChecks,
  ...serverChecks,
  ...recoveryChecks,
];
