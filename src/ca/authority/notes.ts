// What an operator should know about the authorities although nothing has stopped yet. Pure but for the clock.
import { formatTime } from "../../runtime/index.ts";
import { type ChangeContext, hindranceOf, ownRecords, successorOf } from "./changes.ts";
import { endOfPath } from "./records.ts";
import { pendingRequests } from "./requests.ts";
import { rotationTimes } from "./settings.ts";

/** One thing that will matter. */
export interface AuthorityNote {
  /** "authority <SPKI SHA-256>" */
  readonly about: string;
  readonly sentence: string;
}

export function notesOf(context: ChangeContext): readonly AuthorityNote[] {
  const { clock, upstream, replica } = context.options;
  const now = clock.now();
  const own = ownRecords(context);
  const notes = pendingRequests(own).map(({ spkiSha256, createdAt }) => ({
    about: `authority ${spkiSha256}`,
    sentence: `Its certification request waits for a signature since ${formatTime(createdAt)}: npx mesh-ca authority csr prints it, npx mesh-ca authority import FILE brings the certificate in.`,
  }));
  const active = own.find(({ state }) => state === "active");
  if (active?.issued === undefined || hindranceOf(context) !== undefined) return notes;
  const about = `authority ${active.spkiSha256}`;
  const endsAt = endOfPath(active.issued);
  const { prepareAt, activateAt } = rotationTimes(active.issued.certificate.notBefore, endsAt);
  const successor = successorOf(context, replica);
  if (now >= activateAt) {
    notes.push({
      about,
      sentence: `It ends at ${formatTime(endsAt)} and ${successor === undefined ? "has no successor" : "its successor is not known everywhere yet"}: certificates get shorter until then.`,
    });
  }
  if (now >= prepareAt && successor === undefined && active.upstream !== upstream.kind) {
    const command = upstream.answersAtOnce ? "prepare" : "csr";
    notes.push({
      about,
      sentence: `It comes from the upstream ${active.upstream}, the configuration names ${upstream.kind}, and it gets no successor by itself: npx mesh-ca authority ${command} --change-upstream`,
    });
  }
  return notes;
}
