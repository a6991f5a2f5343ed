// The refresh hint as every replica tells it. It is part of the bundle's bytes, so that a setting that was changed moves the sequence
// (SPIFFE Trust Domain and Bundle, rule B-2). The last replica that started with another setting wins, as with rules.
import type { ChangeContext } from "./changes.ts";
import { publishHint } from "./trust-journal.ts";

/** Makes the configured hint the published one. Does nothing where it is so already, or where there is no trust yet. */
export async function publishRefreshHint({ options, view }: ChangeContext): Promise<boolean> {
  const { ledger, clock, settings, logger } = options;
  const { refreshHintSeconds } = settings;
  const before = view.refreshHintSeconds;
  if (!view.hasTrust || before === refreshHintSeconds) return false;
  await ledger.transact((tx) => publishHint(tx, clock.now(), refreshHintSeconds));
  logger.info(
    { event: "authority.refresh_hint_changed", before, refreshHintSeconds },
    "the bundle tells another refresh hint from now on",
  );
  return true;
}
