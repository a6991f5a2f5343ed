// Makes a successor and publishes it, and forced rotation: the same, and it signs as soon as every client knows it.

import { refusedError } from "../upstream/index.ts";
import {
  type ChangeContext,
  changeOf,
  hindranceOf,
  noSuccessor,
  nothingLives,
  ownRecords,
  propagatedAt,
  requireSuccession,
  type SuccessionOptions,
  successorOf,
} from "./changes.ts";
import { decidedAgainst } from "./import-findings.ts";
import { recordActivated, recordScheduled, recordState } from "./journal.ts";
import { provisionAuthority } from "./provision.ts";
import { hindranceError } from "./standing.ts";
import { changeTrust, unprune } from "./trust-journal.ts";

export interface Prepared {
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
}

/** Makes a successor of the present authority, or in a recovery another authority that begins again. */
export async function prepareAuthority(
  context: ChangeContext,
  cause: string,
  allowed: SuccessionOptions,
): Promise<Prepared> {
  requireSuccession(context, allowed);
  const recovering = hindranceOf(context) !== undefined;
  const atOnce = recovering && nothingLives(context);
  const { clock } = context.options;
  const { prunedAnchors } = context.view;
  const present = ownRecords(context).find(({ state }) => state === "active");
  let made: Prepared | undefined;
  const provision = async (): Promise<void> => {
    made = await provisionAuthority(context.options, {
      cause,
      trustWith(accepted) {
        const stayOut = without(prunedAnchors, allowed, accepted.anchor.sha256);
        const { distrustedSpkis } = context.view;
        const against = [...decidedAgainst(accepted, { distrustedSpkis, prunedAnchors: stayOut }, false)];
        if (against.length > 0) throw refusedError(against);
        return context.view.trustSetWith(accepted, stayOut);
      },
      async record(tx, change, accepted, prepare) {
        await changeTrust(tx, clock.now(), async () => {
          if (allowed.recovery || allowed.changeUpstream) await unprune(tx, accepted.anchor.sha256);
          await prepare();
          if (!recovering) return;
          await recordScheduled(tx, change);
          if (!atOnce) return;
          if (present !== undefined) await recordState(tx, changeOf(context, present, cause), "retired");
          await recordActivated(tx, change, false);
        });
      },
    });
  };
  if (atOnce) await context.handOver(provision);
  else await provision();
  if (made === undefined) throw new TypeError("an authority was made, and nobody knows which");
  return made;
}

/** Roots that stay out of the bundle: an operator who recovers, or changes the upstream, brings back the one that it needs. */
export function without(pruned: readonly string[], allowed: SuccessionOptions, anchor: string): readonly string[] {
  return allowed.recovery || allowed.changeUpstream ? pruned.filter((each) => each !== anchor) : pruned;
}

/** Has a successor sign as soon as every client knows it; makes one first where there is none. */
export async function rotateAuthority(
  context: ChangeContext,
  cause: string,
): Promise<Prepared & { readonly activatesAt: number }> {
  const { options, view } = context;
  const { ledger, upstream, replica } = options;
  const hindrance = hindranceOf(context);
  if (hindrance !== undefined) throw hindranceError(hindrance);
  if (successorOf(context, replica) === undefined) {
    if (!upstream.answersAtOnce) throw noSuccessor(context, "There is no successor that could be rotated to.");
    await prepareAuthority(context, cause, {});
    await view.reload();
  }
  const successor = successorOf(context, replica);
  if (successor === undefined) throw noSuccessor(context, "The successor is gone.");
  if (!successor.activateWhenPropagated) {
    await ledger.transact((tx) => recordScheduled(tx, changeOf(context, successor, cause)));
  }
  const { spkiSha256 } = successor;
  return { spkiSha256, activatesAt: Math.max(propagatedAt(context, successor), options.clock.now()) };
}
