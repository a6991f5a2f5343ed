// All configured attestor instances behind one object: evidence in, established attributes out. Each instance has a name, and every
// attribute carries it, so that two clusters or two PKIs never become one identity.
import type { Database } from "../../ca/index.ts";
import type { Clock, Logger, MeshCaError } from "../../runtime/index.ts";
import type { TrustDomain, TrustSet } from "../../spiffe/index.ts";
import type { Certificate } from "../../x509/index.ts";
import { type AttestorDescription, INSTANCE_NAME } from "../registry/index.ts";
import type { AttestorConfig } from "./config.ts";
import { AttestError } from "./errors.ts";
import { attestJoinToken } from "./join-token-attestor.ts";
import { PeerJudge } from "./judge-peer.ts";
import { JwtAttestor } from "./jwt-attestor.ts";
import { parseJwt } from "./jwt-parse.ts";
import type { EstablishedEvidence, PeerVerdict } from "./types.ts";
import { X509_ATTRIBUTES, X509Attestor } from "./x509-attestor.ts";

/** Names that no instance may have: `agent.` marks what a host agent asserts and nobody verified. */
const RESERVED_NAMES = ["agent"];

export interface AttestorDependencies {
  readonly trustDomain: TrustDomain;
  /** The current trust set (AuthorityManager.trustSet). */
  readonly trust: () => TrustSet;
  /** What expired SVIDs are verified against (AuthorityManager.trustSetForExpired). */
  readonly trustForExpired: () => TrustSet;
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Tests only: JWKS and discovery over plain http, and only to a loopback address. */
  readonly insecureLoopback?: boolean;
}

export interface AttestorHealth {
  readonly attestor: string;
  readonly kind: AttestorConfig["kind"];
  /** Undefined: nothing to complain about. Else one sentence. */
  readonly problem: string | undefined;
}

export interface Attestors {
  /** The configured instances, as rules need to know them. */
  readonly descriptions: readonly AttestorDescription[];
  /** The join-token instance's name; undefined where none is configured. */
  readonly joinTokenInstance: string | undefined;
  /** Looks a join token up; it is redeemed later, in the ledger's transaction. @throws SpiffeError MCA_TOKEN_MALFORMED; AttestError MCA_TOKEN_* */
  joinToken(text: string): Promise<EstablishedEvidence>;
  /** Verifies a JWT. `attestor` empty: the only instance whose issuer matches. @throws AttestError MCA_JWT_*, MCA_JWKS_UNAVAILABLE, MCA_ATTESTOR_UNKNOWN */
  jwt(evidence: { readonly token: string; readonly attestor: string }): Promise<EstablishedEvidence>;
  /** The enterprise certificate of the connection as evidence, judged again now. @throws AttestError MCA_EVIDENCE_MISSING; the verdict's own error */
  x509(verdict: PeerVerdict): EstablishedEvidence;
  /** Judges the chain that the peer presented, leaf first; [] is anonymous. What is wrong with it is a verdict, not an exception. */
  judgePeer(chain: readonly Certificate[]): PeerVerdict;
  health(): readonly AttestorHealth[];
}

/** Reads the configured instances. Starts nothing in the background. @throws AttestError MCA_ATTESTOR_INVALID with what to mend */
export async function createAttestors(
  configs: Readonly<Record<string, AttestorConfig>>,
  dependencies: AttestorDependencies,
): Promise<Attestors> {
  const { clock, logger, insecureLoopback = false, database, trustDomain } = dependencies;
  const instances = Object.entries(configs);
  for (const [name] of instances) checkName(name);
  const joinTokens = instances.flatMap(([name, config]) => (config.kind === "join-token" ? [name] : []));
  if (joinTokens.length > 1)
    throw invalid(`Only one attestor of kind join-token is possible; found ${joinTokens.join(", ")}.`);
  const [joinTokenInstance] = joinTokens;
  const jwts = instances.flatMap(([name, config]) =>
    config.kind === "jwt" ? [new JwtAttestor(name, config, { clock, logger, insecureLoopback })] : [],
  );
  const x509 = instances.flatMap(([name, config]) =>
    config.kind === "x509" ? [new X509Attestor(name, config, clock, logger)] : [],
  );
  const judge = new PeerJudge({ ...dependencies, x509 });
  return {
    joinTokenInstance,
    descriptions: instances.map(([name, { kind }]): AttestorDescription => {
      const jwt = jwts.find((attestor) => attestor.instance === name);
      const attributeNames = kind === "x509" ? X509_ATTRIBUTES : jwt?.attributeNames;
      return { name, kind, attributeNames };
    }),
    async joinToken(text) {
      if (joinTokenInstance === undefined) throw unknown("No join-token attestor is configured here.");
      return await attestJoinToken(text, { instance: joinTokenInstance, trustDomain, database, clock });
    },
    async jwt({ token, attestor }) {
      return await chooseJwt(jwts, token, attestor).attest(token);
    },
    x509: (verdict) => enterpriseEvidence(verdict, judge),
    judgePeer: (chain) => judge.judge(chain),
    health: () =>
      instances.map(([attestor, { kind }]) => {
        const found = [...jwts, ...x509].find((candidate) => candidate.instance === attestor);
        return { attestor, kind, problem: found?.problem };
      }),
  };
}

function chooseJwt(attestors: readonly JwtAttestor[], token: string, name: string): JwtAttestor {
  if (name !== "") {
    const named = attestors.find((attestor) => attestor.instance === name);
    if (named === undefined) throw unknown("No JWT attestor of the name that you gave is configured here.");
    return named;
  }
  const issuer = parseJwt(token).claims.get("iss");
  const [found, ...others] = attestors.filter((attestor) => attestor.issuer === issuer);
  if (found === undefined) {
    throw new AttestError(
      "MCA_JWT_ISSUER",
      "No attestor here knows the token's issuer. Add one under `attestors` (kind: jwt).",
    );
  }
  if (others.length > 0) {
    throw unknown("Several attestors know the token's issuer: name the one that is to check it.");
  }
  return found;
}

/** A connection may be open for as long as its leaf is valid, so the PKI is asked again: a CA that was removed meanwhile vouches for nobody. */
function enterpriseEvidence(shown: PeerVerdict, judge: PeerJudge): EstablishedEvidence {
  const verdict = shown.kind === "enterprise" ? judge.judge(shown.path.path) : shown;
  if (verdict.kind === "refused") throw verdict.error;
  if (verdict.kind !== "enterprise") {
    throw new AttestError(
      "MCA_EVIDENCE_MISSING",
      "There is no evidence: send a join token or a JWT, or connect with a client certificate of the configured PKI.",
    );
  }
  const { attestor, attributes, requester } = verdict;
  return { attestor, kind: "x509", attributes, requester };
}

function checkName(name: string): void {
  if (!INSTANCE_NAME.test(name)) {
    throw invalid(
      `The attestor name ${JSON.stringify(name)} is not 1 to 63 lower-case letters, digits and dashes, beginning with a letter.`,
    );
  }
  if (RESERVED_NAMES.includes(name)) {
    throw invalid(
      `No attestor may be called "${name}": that prefix marks what a host agent asserts and nobody verified.`,
    );
  }
}

function invalid(sentence: string): MeshCaError {
  return new AttestError("MCA_ATTESTOR_INVALID", sentence);
}

function unknown(sentence: string): AttestError {
  return new AttestError("MCA_ATTESTOR_UNKNOWN", sentence);
}
