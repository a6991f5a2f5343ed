// Which of two stories about one trust domain is newer, and what is never unlearned whichever is told. A database that was restored, a
// replica that lags behind, an old trust file and whoever replays one of them tell what was true once: an authority that was revoked
// since must not come back by any of them. Pure: no I/O.
import type { TrustSet } from "../spiffe/index.ts";
import type { Certificate } from "../x509/index.ts";

/**
 * Whether `told` is a state from before `known`, of the same database. The revision counts every change; the sequence is all that
 * older trust files have.
 */
export function isOlder(told: TrustSet, known: TrustSet): boolean {
  return told.revision < known.revision || told.sequence < known.sequence;
}

/** Keys that `known` distrusts and `told` does not. The server never takes a distrust back, so that there should be none. */
export function forgottenDistrust(told: TrustSet, known: TrustSet): readonly string[] {
  return [...known.distrustedSpkis].filter((spki) => !told.distrustedSpkis.has(spki));
}

/** What is told, and every distrust that is known. */
export function withKnownDistrust(told: TrustSet, known: TrustSet): TrustSet {
  const forgotten = forgottenDistrust(told, known);
  if (forgotten.length === 0) return told;
  return { ...told, distrustedSpkis: new Set([...told.distrustedSpkis, ...forgotten]) };
}

/**
 * What to believe of an older story that is told for good (a database that was restored): every distrust and revocation of both, and of
 * the authorities and anchors none that had left already. What is new in it was made after the restoring: it is younger than all
 * that is known.
 * @returns undefined where nothing would be left to trust
 */
export function olderTrust(older: TrustSet, known: TrustSet): TrustSet | undefined {
  const authorities = older.authorities?.filter((authority) => isNews(authority, known));
  if (authorities?.length === 0) return undefined;
  const left = new Set(older.authorities?.filter((each) => !authorities?.includes(each)).map(spkiOf));
  const hasNews = authorities?.some((authority) => !holds(known.authorities, authority)) ?? true;
  const anchors = older.anchors.filter(
    (anchor) => holds(known.anchors, anchor) || (hasNews && !left.has(spkiOf(anchor))),
  );
  const have = new Set(older.revocations.map((revocation) => JSON.stringify(revocation)));
  const revocations = known.revocations.filter((revocation) => !have.has(JSON.stringify(revocation)));
  return withKnownDistrust(
    { ...older, authorities, anchors, revocations: [...older.revocations, ...revocations] },
    known,
  );
}

/** When the youngest authority was made (or anchor, where no authorities are known), Unix milliseconds. */
export function youngest({ authorities, anchors }: TrustSet): number {
  return Math.max(...(authorities ?? anchors).map(({ notBefore }) => notBefore), Number.NEGATIVE_INFINITY);
}

/** An authority that is known, or younger than all that are. */
function isNews(authority: Certificate, known: TrustSet): boolean {
  if (known.authorities === undefined || holds(known.authorities, authority)) return true;
  return authority.notBefore > youngest(known);
}

function holds(list: readonly Certificate[] | undefined, certificate: Certificate): boolean {
  return list?.some((each) => spkiOf(each) === spkiOf(certificate)) ?? false;
}

function spkiOf({ publicKey }: Certificate): string {
  return publicKey.spkiSha256;
}
