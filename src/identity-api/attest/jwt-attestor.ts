// JSON Web Tokens as evidence: of an identity provider, or of Kubernetes. The order of the checks is deliberate: form and algorithm,
// then whom the token is from and for, then key and signature, and only then what it says.
import type { Clock, Logger } from "../../runtime/index.ts";
import { withInstance } from "./attributes.ts";
import { type ClaimMapping, kubernetesMapping, mapClaims, parseClaimMapping } from "./claim-mapping.ts";
import type { JwtConfig } from "./config.ts";
import { AttestError } from "./errors.ts";
import { type FetchOptions, parseKeyUrl } from "./fetch-text.ts";
import { type IssuerKey, MAX_JWKS_CHARS } from "./jwk-set.ts";
import { knownAlgorithms, signatureProblem } from "./jwt-algorithms.ts";
import { checkIssuerAndAudience, checkTimes, subjectOf } from "./jwt-claims.ts";
import { parseJwt, type UnverifiedJwt } from "./jwt-parse.ts";
import { discoveryLoader, FileKeySource, jwksLoader, type KeySource, RemoteKeySource } from "./key-source.ts";
import type { EstablishedEvidence } from "./types.ts";
import { WatchedFile } from "./watched-file.ts";

const FETCH_TIMEOUT_MS = 5000;
const MAX_AGE_SECONDS = 600;
const KUBERNETES_MAX_AGE_SECONDS = 3700;
const SUBJECT = "subject";

export interface JwtAttestorDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly insecureLoopback: boolean;
}

export class JwtAttestor {
  readonly instance: string;
  readonly issuer: string;
  /** Attributes that it can establish, without the instance. */
  readonly attributeNames: readonly string[];
  readonly #config: JwtConfig;
  readonly #algorithms: readonly string[];
  readonly #maxAgeSeconds: number;
  readonly #mapping: readonly ClaimMapping[];
  readonly #source: KeySource;
  readonly #clock: Clock;

  /** @throws AttestError MCA_ATTESTOR_INVALID */
  constructor(instance: string, config: JwtConfig, dependencies: JwtAttestorDependencies) {
    const refuse = (sentence: string): never => {
      throw new AttestError("MCA_ATTESTOR_INVALID", `Attestor "${instance}": ${sentence}`);
    };
    const kubernetes = config.preset === "kubernetes";
    this.instance = instance;
    this.issuer = config.issuer;
    this.#config = config;
    this.#clock = dependencies.clock;
    if (config.issuer === "") refuse("issuer is empty.");
    if (config.audience === "") refuse("audience is empty: tokens must be made for this server.");
    this.#algorithms = parseAlgorithms(config.algorithms ?? [], refuse);
    this.#maxAgeSeconds = config.maxAgeSeconds ?? (kubernetes ? KUBERNETES_MAX_AGE_SECONDS : MAX_AGE_SECONDS);
    const preset = kubernetes ? kubernetesMapping : [];
    const taken = [SUBJECT, ...preset.map((mapping) => mapping.attribute)];
    this.#mapping = [...preset, ...parseClaimMapping(config.claims ?? {}, taken, refuse)];
    this.attributeNames = [SUBJECT, ...this.#mapping.map((mapping) => mapping.attribute)];
    this.#source = keySourceOf(instance, config, dependencies, refuse);
  }

  /** Verifies a token. @throws AttestError MCA_JWT_*, MCA_JWKS_UNAVAILABLE, MCA_EVIDENCE_REFUSED */
  async attest(token: string): Promise<EstablishedEvidence> {
    const jwt = parseJwt(token);
    if (!this.#algorithms.includes(jwt.algorithm)) {
      throw new AttestError(
        "MCA_JWT_ALGORITHM",
        `The token's signature algorithm is not accepted. Accepted: ${this.#algorithms.join(", ")}.`,
      );
    }
    const expected = { ...this.#config, maxAgeSeconds: this.#maxAgeSeconds };
    checkIssuerAndAudience(jwt.claims, expected);
    const key = await (await this.#findKey(jwt)).publicKey(jwt.algorithm);
    const problem = signatureProblem(jwt.algorithm, key, jwt.signingInput, jwt.signature);
    if (problem !== undefined) {
      throw new AttestError(
        "MCA_JWT_SIGNATURE",
        `The token's signature is not good: ${problem}. It was changed, or is of another issuer.`,
      );
    }
    checkTimes(jwt.claims, expected, this.#clock.now());
    const subject = subjectOf(jwt.claims);
    const claimed = mapClaims(jwt.claims, this.#mapping);
    if (this.#config.preset === "kubernetes") checkKubernetesSubject(subject, claimed);
    return {
      attestor: this.instance,
      kind: "jwt",
      attributes: withInstance(this.instance, [[SUBJECT, subject], ...claimed]),
      requester: `jwt:${this.instance}:${subject}`,
    };
  }

  /** What is wrong with the source of keys; undefined: nothing. */
  get problem(): string | undefined {
    return this.#source.problem;
  }

  async #findKey(jwt: UnverifiedJwt): Promise<IssuerKey> {
    const found = choose(await this.#source.keys(false), jwt) ?? choose(await this.#source.keys(true), jwt);
    if (found !== undefined) return found;
    throw new AttestError(
      "MCA_JWT_KEY_UNKNOWN",
      "The issuer has published no key with this token's kid that fits its algorithm. Is the token fresh, and of this issuer?",
    );
  }
}

/** The one key that the token names. Without a kid there must be only one that fits; of two with one kid neither is taken. */
function choose(keys: readonly IssuerKey[], jwt: UnverifiedJwt): IssuerKey | undefined {
  const fitting = keys.filter((key) => (jwt.keyId === undefined || key.keyId === jwt.keyId) && key.fits(jwt.algorithm));
  return fitting.length === 1 ? fitting[0] : undefined;
}

/** Kubernetes says the same thing twice; a token where the two differ was not made by Kubernetes. */
function checkKubernetesSubject(subject: string, claimed: ReadonlyMap<string, string>): void {
  if (subject === `system:serviceaccount:${claimed.get("namespace")}:${claimed.get("serviceAccount")}`) return;
  throw new AttestError(
    "MCA_EVIDENCE_REFUSED",
    "The token is genuine but cannot be used: its sub and its kubernetes.io claims differ.",
  );
}

function parseAlgorithms(names: readonly string[], refuse: (sentence: string) => never): readonly string[] {
  for (const name of names) {
    if (!knownAlgorithms.includes(name)) {
      refuse(`algorithms: "${name}" is not supported. Supported: ${knownAlgorithms.join(", ")}.`);
    }
  }
  return names.length === 0 ? knownAlgorithms : names;
}

function keySourceOf(
  instance: string,
  config: JwtConfig,
  { clock, logger, insecureLoopback }: JwtAttestorDependencies,
  refuse: (sentence: string) => never,
): KeySource {
  const jwksFile = config.jwksFile ?? undefined;
  const jwksUrl = config.jwksUrl ?? undefined;
  const given = [jwksFile !== undefined, jwksUrl !== undefined, config.discovery === true];
  if (given.filter(Boolean).length !== 1) refuse("give exactly one of jwksFile, jwksUrl and discovery: true.");
  if (jwksFile !== undefined) return new FileKeySource(jwksFile, instance, clock, logger);
  const path = config.caFile ?? undefined;
  const parse = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
  const ca = path === undefined ? undefined : new WatchedFile({ path, instance, parse, clock, logger });
  const options = (): FetchOptions => ({
    caPem: ca?.current(),
    maxBytes: MAX_JWKS_CHARS,
    timeoutMs: FETCH_TIMEOUT_MS,
    insecureLoopback,
  });
  const load =
    jwksUrl === undefined
      ? discoveryLoader(config.issuer, options)
      : jwksLoader(parseKeyUrl(jwksUrl, insecureLoopback), options);
  return new RemoteKeySource({ instance, load, clock, logger });
}
