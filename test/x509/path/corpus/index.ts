// Every chain of the corpus. rules.test.ts holds our validator to their verdicts; openssl.test.ts holds those against OpenSSL.
import { nameSpecimens } from "./names.ts";
import { pathSpecimens } from "./paths.ts";
import type { Specimen } from "./specimen.ts";

export type { Specimen } from "./specimen.ts";

export const corpus: readonly Specimen[] = [...pathSpecimens, ...nameSpecimens];
