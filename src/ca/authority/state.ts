// The states of an X.509 authority and the moves between them (spec/enterprise-pki.md, "States").
//
//   from        to         what happens
//   (none)      requested  a key was made; the upstream is being asked for a certificate
//   requested   prepared   the certificate was accepted; published to every client, not signing
//   requested   removed    no certificate came: the key is destroyed
//   prepared    active     signs from now on
//   prepared    retired    given up before it ever signed
//   active      retired    a successor signs; published until the last certificate it signed has expired
//   prepared    tainted    no longer trusted to be safe: everything under it is to be renewed now
//   active      tainted    the same; needs a prepared successor
//   retired     tainted    the same
//   retired     removed    no valid certificate is left under it: unpublished, the key is destroyed
//   tainted     revoked    unpublished; its key is distrusted or its anchor is gone. Until then its leaves are accepted: the
//                          mesh renews away from it without an outage
//   revoked     removed    the key is destroyed

/** A state of an authority, as stored. */
export type AuthorityState = "requested" | "prepared" | "active" | "retired" | "tainted" | "revoked" | "removed";

const TRANSITIONS: Readonly<Record<AuthorityState, readonly AuthorityState[]>> = {
  requested: ["prepared", "removed"],
  prepared: ["active", "retired", "tainted"],
  active: ["retired", "tainted"],
  retired: ["removed", "tainted"],
  tainted: ["revoked"],
  revoked: ["removed"],
  removed: [],
};

/** Every state, for readers of stored rows. */
export const AUTHORITY_STATES: readonly AuthorityState[] = [
  "requested",
  "prepared",
  "active",
  "retired",
  "tainted",
  "revoked",
  "removed",
];

/** The states of a published authority. */
const PUBLISHED_STATES = ["prepared", "active", "retired", "tainted"] as const satisfies readonly AuthorityState[];

export type PublishedState = (typeof PUBLISHED_STATES)[number];

/** The same as the list of an SQL `IN (...)`. */
export const PUBLISHED_STATES_SQL = PUBLISHED_STATES.map((state) => `'${state}'`).join(", ");

/** Whether an authority may go from one state to another. */
export function mayBecome(from: AuthorityState, to: AuthorityState): boolean {
  return TRANSITIONS[from].includes(to);
}

/** States in which clients accept leaves of an authority: it is in WatchTrust and in the bundle. */
export function isPublished(state: AuthorityState): state is PublishedState {
  return PUBLISHED_STATES.some((published) => published === state);
}

/**
 * Whether an expired certificate under it may still speak for its holder (renewal after expiry): never under one that was
 * tainted or revoked, whatever became of it since, because whoever took its key can make such a certificate today.
 */
export function mayVouchForExpired(authority: {
  readonly state: AuthorityState;
  readonly taintedAt: number | undefined;
}): boolean {
  const { state, taintedAt } = authority;
  return taintedAt === undefined && (state === "removed" || isPublished(state));
}
