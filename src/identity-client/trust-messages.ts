// Reads the trust messages of the Identity API into the types of src/spiffe. Everything is checked: an authority whose stated
// key hash is not its own, a foreign trust domain or a second server ID makes the whole message invalid. Pure: no I/O.
import {
  type PublishedAuthority,
  PublishedAuthority_State,
  type RenewNow,
  type Revocation as RevocationMessage,
  type TrustSnapshot,
} from "../proto/gen/meshca/identity/v1/identity.ts";
import { MeshCaError } from "../runtime/index.ts";
import { DEFAULT_REFRESH_HINT_SECONDS, type Revocation, serverId, TrustDomain } from "../spiffe/index.ts";
import { bytesEqual, type Certificate, parseCertificate, sha256, toHex } from "../x509/index.ts";
import { IdentityClientError } from "./errors.ts";
import type { RenewalOrder } from "./renewal-orders.ts";

/** One published authority: prepared, active, retired or tainted. */
export interface KnownAuthority {
  readonly certificate: Certificate;
  /** Between it and the anchor, nearest first. */
  readonly intermediates: readonly Certificate[];
  /** Set where it is tainted: its holders renew now, spread over so many milliseconds. */
  readonly renewWithinMs: number | undefined;
}

/** A snapshot, read. */
export interface Snapshot {
  readonly trustDomain: TrustDomain;
  readonly anchors: readonly Certificate[];
  readonly authorities: readonly KnownAuthority[];
  readonly distrustedSpkis: ReadonlySet<string>;
  readonly revocations: readonly Revocation[];
  readonly sequence: bigint;
  readonly refreshHintSeconds: number;
  readonly revision: bigint;
  readonly renewal: RenewalOrder | undefined;
}

/**
 * Reads a snapshot, which must be of the expected trust domain.
 * @throws IdentityClientError MCA_SERVER_ANSWER_INVALID
 */
export function readSnapshot(message: TrustSnapshot, expected: TrustDomain): Snapshot {
  return reading("snapshot", () => {
    const trustDomain = TrustDomain.parse(message.trustDomain);
    if (!trustDomain.equals(expected)) {
      throw invalid(`it is of the trust domain ${trustDomain.name}, expected is ${expected.name}`);
    }
    if (message.serverId !== serverId(expected).toString()) {
      throw invalid(`it names another server ID than ${serverId(expected).toString()}`);
    }
    const authorities = message.authorities.map(readAuthority);
    const anchors = message.anchors.map((der) => parseCertificate(der));
    if (anchors.length === 0 || authorities.length === 0) throw invalid("it names no authority or no anchor");
    return {
      trustDomain,
      anchors,
      authorities,
      distrustedSpkis: new Set(message.distrustedSpkiSha256.map(readHash)),
      revocations: message.revocations.map(readRevocation),
      sequence: message.sequence,
      refreshHintSeconds: message.refreshHintSeconds || DEFAULT_REFRESH_HINT_SECONDS,
      revision: message.revision,
      renewal: readRenewal(message.renewNow),
    };
  });
}

/** Reads one published authority. @throws IdentityClientError MCA_SERVER_ANSWER_INVALID */
export function readAuthority(message: PublishedAuthority): KnownAuthority {
  return reading("published authority", () => {
    const certificate = parseCertificate(message.certificate);
    if (!bytesEqual(sha256(certificate.publicKey.spki), message.spkiSha256)) {
      throw invalid("its stated key hash is not that of its certificate");
    }
    const tainted = message.state === PublishedAuthority_State.STATE_TAINTED;
    return {
      certificate,
      intermediates: message.intermediates.map((der) => parseCertificate(der)),
      renewWithinMs: tainted ? message.renewSpreadSeconds * 1_000 : undefined,
    };
  });
}

/** Reads a revocation. A kind that this version does not know is an error, never skipped (fail closed). */
export function readRevocation(message: RevocationMessage): Revocation {
  const { target } = message;
  switch (target?.$case) {
    case "serial":
      return { kind: "serial", serial: toHex(target.value) };
    case "spkiSha256":
      return { kind: "spki", spkiSha256: readHash(target.value) };
    case "id": {
      const { spiffeId, issuedBefore } = target.value;
      if (issuedBefore === undefined) throw invalid("a revocation by ID names no time");
      return { kind: "id", spiffeId, issuedBefore: issuedBefore.getTime() };
    }
    case undefined:
      throw invalid("it holds a kind of revocation that this version does not know");
  }
}

/** Reads "renew now". */
export function readRenewal(message: RenewNow | undefined): RenewalOrder | undefined {
  if (message === undefined) return undefined;
  return { authority: readHash(message.authoritySpkiSha256), spreadMs: message.spreadSeconds * 1_000 };
}

/** A SHA-256 as lower-case hex. */
export function readHash(bytes: Uint8Array): string {
  if (bytes.length !== 32) throw invalid("a hash in it is not 32 bytes long");
  return toHex(bytes);
}

/** Runs a reader; whatever it refuses becomes one error that names the message. */
export function reading<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof IdentityClientError) throw cause;
    if (!(cause instanceof MeshCaError)) throw cause;
    throw new IdentityClientError(
      "MCA_SERVER_ANSWER_INVALID",
      `The server sent a ${what} that cannot be used: ${cause.message} The trust known before stays in force.`,
      { cause },
    );
  }
}

function invalid(why: string): IdentityClientError {
  return new IdentityClientError(
    "MCA_SERVER_ANSWER_INVALID",
    `The server's statement of trust cannot be used: ${why}. What was known before stays in force.`,
  );
}
