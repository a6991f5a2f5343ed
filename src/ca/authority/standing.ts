// May this replica issue? Looks at what the database says, what the key store holds and what the certificate is, and never
// mends anything (invariant 2): it says what was found, what was expected, and which command helps.
import { formatTime, MeshCaError } from "../../runtime/index.ts";
import { checkAuthorityCertificate, type TrustDomain } from "../../spiffe/index.ts";
import type { KeyStore } from "../keys/index.ts";
import type { Upstream } from "../upstream/index.ts";
import { ActiveAuthority } from "./active-authority.ts";
import { AuthorityError, type AuthorityErrorCode } from "./errors.ts";
import type { AuthorityHealth } from "./published.ts";
import type { AuthorityRecord } from "./records.ts";
import type { AuthorityState } from "./state.ts";

/** What keeps this replica from issuing. */
export interface Hindrance {
  readonly kind: "not-issuing";
  readonly code: AuthorityErrorCode;
  readonly found: string;
  readonly expected: string;
  readonly command: string;
}

/** How this replica stands, apart from the clock. `recovery`: the command that begins again when the authority has ended. */
export type Standing =
  | { readonly kind: "ready"; readonly authority: ActiveAuthority; readonly recovery: string }
  | Hindrance;

export interface StandingQuestion {
  readonly records: readonly AuthorityRecord[];
  readonly keyStore: KeyStore;
  readonly trustDomain: TrustDomain;
  /** The trust domain that the database belongs to; undefined in one that was never initialised. */
  readonly databaseTrustDomain: string | undefined;
  readonly replica: number;
  /** Whether the trust domain has ever had an authority that signed. */
  readonly hasTrust: boolean;
  /** The configured one: it decides which command makes another authority. */
  readonly upstream: Upstream;
  /** The state of an authority at the moment of asking, for the check before each signature. */
  readonly stateNow: (spkiSha256: string) => AuthorityState;
}

/** Finds the active authority of this replica and opens its key. */
export async function findStanding(question: StandingQuestion): Promise<Standing> {
  const { records, keyStore, trustDomain, databaseTrustDomain, replica } = question;
  if (databaseTrustDomain !== trustDomain.name) return foreignDatabase(trustDomain.name, databaseTrustDomain);
  const record = records.find((each) => each.replica === replica && each.state === "active");
  if (record?.issued === undefined) return missing(question);
  const { issued, spkiSha256 } = record;
  if (issued.certificate.publicKey.spkiSha256 !== spkiSha256) {
    return badCertificate(
      `a certificate for the key ${issued.certificate.publicKey.spkiSha256}`,
      `one for ${spkiSha256}`,
    );
  }
  try {
    checkAuthorityCertificate(issued.certificate, trustDomain);
  } catch (error) {
    if (!(error instanceof MeshCaError)) throw error;
    return badCertificate(error.message, `an authority certificate of ${trustDomain.id}`);
  }
  try {
    const signer = await keyStore.open(spkiSha256);
    const stateNow = (): AuthorityState => question.stateNow(spkiSha256);
    const authority = new ActiveAuthority({ ...issued, replica }, signer, stateNow);
    return { kind: "ready", authority, recovery: recoveryCommand(question.upstream) };
  } catch (error) {
    if (!(error instanceof MeshCaError)) throw error;
    return badKey(error, spkiSha256, keyStore.description);
  }
}

/** The same with the clock: certificates expire while a server runs. `now` in Unix milliseconds. */
export function healthOf(standing: Standing, now: number, minLeafTtlSeconds: number): AuthorityHealth {
  const hindrance = hindranceAt(standing, now, minLeafTtlSeconds);
  return hindrance ?? { kind: "ready" };
}

/**
 * The authority that may sign now.
 * @throws AuthorityError with the code of the hindrance
 */
export function requireReady(standing: Standing, now: number, minLeafTtlSeconds: number): ActiveAuthority {
  const hindrance = hindranceAt(standing, now, minLeafTtlSeconds);
  if (hindrance !== undefined) throw hindranceError(hindrance);
  if (standing.kind !== "ready") throw hindranceError(standing);
  return standing.authority;
}

/** The error that says what a hindrance is. */
export function hindranceError(hindrance: Hindrance): AuthorityError {
  const { code, found, expected, command } = hindrance;
  return new AuthorityError(
    code,
    `Nothing is issued: found ${found}; expected ${expected}. The operator of the server can mend it: ${command}`,
    { details: { found, expected, command } },
  );
}

/** What keeps this replica from issuing at a moment, Unix milliseconds. */
export function hindranceAt(standing: Standing, now: number, minLeafTtlSeconds: number): Hindrance | undefined {
  if (standing.kind !== "ready") return standing;
  const { certificate, endsAt: notAfter } = standing.authority;
  const { notBefore } = certificate;
  const command =
    "npx mesh-ca authority list (is there a successor? the rotator prepares one while the authority is healthy; the server's log says why not)";
  if (now < notBefore) {
    return {
      kind: "not-issuing",
      code: "MCA_AUTHORITY_NOT_YET_VALID",
      found: `an authority certificate that is valid from ${formatTime(notBefore)}, and the clock at ${formatTime(now)}`,
      expected: "one that is valid now",
      command: "timedatectl status (check the clock of this machine)",
    };
  }
  if (now > notAfter) {
    return {
      kind: "not-issuing",
      code: "MCA_AUTHORITY_EXPIRED",
      found: `an authority certificate that ended at ${formatTime(notAfter)}, and the clock at ${formatTime(now)}`,
      expected: "one that is valid now",
      // Never by itself: clients that have nothing valid cannot learn of another authority, and need a new trust file.
      command: standing.recovery,
    };
  }
  if (notAfter - now < minLeafTtlSeconds * 1000) {
    return {
      kind: "not-issuing",
      code: "MCA_ISSUER_EXPIRING",
      found: `an authority certificate that ends at ${formatTime(notAfter)}`,
      expected: `at least ${minLeafTtlSeconds} s of life for the shortest certificate`,
      command,
    };
  }
  return undefined;
}

function foreignDatabase(expected: string, found: string | undefined): Hindrance {
  if (found === undefined) {
    return {
      kind: "not-issuing",
      code: "MCA_AUTHORITY_MISSING",
      found: "a database that was never initialised",
      expected: `the database of the trust domain ${expected}`,
      command: "npx mesh-ca init",
    };
  }
  return {
    kind: "not-issuing",
    code: "MCA_TRUST_DOMAIN_MISMATCH",
    found: `the database of the trust domain ${found}`,
    expected: `the database of ${expected}`,
    command: "npx mesh-ca config check (set trustDomain, or the database, to the right one)",
  };
}

/** The command by which an operator makes another authority, where the present one is beyond help. */
export function recoveryCommand(upstream: Pick<Upstream, "answersAtOnce">): string {
  return upstream.answersAtOnce
    ? "npx mesh-ca authority prepare --recover"
    : "npx mesh-ca authority csr --recover, have it signed, then npx mesh-ca authority import --recover FILE";
}

function missing({ records, replica, hasTrust, upstream }: StandingQuestion): Hindrance {
  const own = records.filter((record) => record.replica === replica);
  const others = [...new Set(records.filter(({ state }) => state === "active").map((record) => record.replica))];
  const expected = `an active authority of replica ${replica}`;
  const hindrance = (found: string, command: string, code: AuthorityErrorCode = "MCA_AUTHORITY_MISSING"): Hindrance => {
    return { kind: "not-issuing", code, found, expected, command };
  };
  const waiting = own.findLast(({ state, csr }) => state === "requested" && csr !== undefined);
  if (waiting !== undefined) return awaitingSignature(waiting, hasTrust);
  const next = own.findLast(({ state, activateWhenPropagated }) => state === "prepared" && activateWhenPropagated);
  const soon =
    next === undefined ? "" : `, and its successor ${next.spkiSha256}, which signs as soon as every client knows it`;
  const revoked = own.findLast(({ upstreamRevocation }) => upstreamRevocation !== undefined);
  const command =
    next === undefined
      ? recoveryCommand(upstream)
      : `wait, or: npx mesh-ca authority activate ${next.spkiSha256} --emergency`;
  if (revoked?.upstreamRevocation !== undefined) {
    const found = `the upstream's revocation of ${revoked.upstreamRevocation}${soon}`;
    return hindrance(found, command, "MCA_AUTHORITY_UPSTREAM_REVOKED");
  }
  if (own.length > 0) {
    const states = [...new Set(own.map(({ state }) => state))].join(", ");
    const found = `authorities of replica ${replica} that are ${states}${soon}`;
    return hindrance(found, hasTrust ? command : "npx mesh-ca init");
  }
  if (others.length > 0) {
    return hindrance(
      `active authorities of replica ${others.join(", ")} only`,
      `npx mesh-ca server --replica ${others[0]} (where the keys of that replica are)`,
    );
  }
  return hindrance("no authority at all", "npx mesh-ca init");
}

function awaitingSignature({ spkiSha256, createdAt }: AuthorityRecord, hasTrust: boolean): Hindrance {
  return {
    kind: "not-issuing",
    code: "MCA_AUTHORITY_AWAITING_SIGNATURE",
    found: `a certification request for the key ${spkiSha256} that waits since ${formatTime(createdAt)}`,
    expected: "the certificate that the upstream CA signs for it",
    command: `npx mesh-ca authority csr (prints it again), have it signed, then npx mesh-ca authority import${hasTrust ? " --recover" : ""} FILE`,
  };
}

function badCertificate(found: string, expected: string): Hindrance {
  return {
    kind: "not-issuing",
    code: "MCA_AUTHORITY_CERTIFICATE_INVALID",
    found,
    expected,
    command: "restore the database from a backup that matches the keys",
  };
}

function badKey(error: MeshCaError, spkiSha256: string, store: string): Hindrance {
  const expected = `the key ${spkiSha256} in ${store}`;
  switch (error.code) {
    case "MCA_KEY_NOT_FOUND":
      return {
        kind: "not-issuing",
        code: "MCA_AUTHORITY_KEY_MISSING",
        found: `no such key in ${store}`,
        expected,
        command: `restore ${spkiSha256}.pkcs8.pem from its backup, mode 0600; the server takes it up within a second`,
      };
    case "MCA_KEY_MISMATCH":
      return {
        kind: "not-issuing",
        code: "MCA_AUTHORITY_KEY_MISMATCH",
        found: error.message,
        expected,
        command: `restore ${spkiSha256}.pkcs8.pem from its backup, mode 0600; the server takes it up within a second`,
      };
    case "MCA_KEY_PASSPHRASE_MISSING":
    case "MCA_KEY_PASSPHRASE_WRONG":
      return {
        kind: "not-issuing",
        code: error.code,
        found: error.message,
        expected,
        command:
          "mend the passphrase's file, one line, mode 0600 (keys.passphraseFile, or the credential mesh-ca-key-passphrase); the server takes it up within a second",
      };
    default:
      return {
        kind: "not-issuing",
        code: "MCA_AUTHORITY_KEY_REFUSED",
        found: error.message,
        expected,
        command: "mend what the sentence says; the server takes it up within a second",
      };
  }
}
