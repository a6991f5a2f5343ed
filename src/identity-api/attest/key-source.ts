// Where an issuer's keys come from: a file, a URL, or OpenID Connect discovery (Discovery 1.0, section 4). A token with an unknown `kid`
// asks the source once more, but never more often than every few seconds: a flood of invented kids reaches nobody. The last good keys
// stay in use while the issuer is away, for a day at most.
import { type Clock, type Logger, MeshCaError } from "../../runtime/index.ts";
import { parseJson } from "../../spiffe/index.ts";
import { AttestError } from "./errors.ts";
import { type FetchOptions, fetchText, parseKeyUrl } from "./fetch-text.ts";
import { type IssuerKey, MAX_JWKS_CHARS, parseJwkSet } from "./jwk-set.ts";
import { WatchedFile } from "./watched-file.ts";

/** Keys of one issuer. */
export interface KeySource {
  /** The current keys. `missing`: a token names a key that is not among those that were given before. @throws AttestError MCA_JWKS_UNAVAILABLE */
  keys(missing: boolean): Promise<readonly IssuerKey[]>;
  /** What is wrong with the source; undefined: nothing. */
  readonly problem: string | undefined;
}

/** Keys out of a file that may be replaced at any time. */
export class FileKeySource implements KeySource {
  readonly #file: WatchedFile<readonly IssuerKey[]>;

  constructor(path: string, instance: string, clock: Clock, logger: Logger) {
    const parse = (bytes: Uint8Array) => parseJwkSet(Buffer.from(bytes).toString("utf8"), path);
    this.#file = new WatchedFile({ path, instance, parse, clock, logger });
  }

  async keys(missing: boolean): Promise<readonly IssuerKey[]> {
    // A look at the file's stamp is cheap, so an unknown kid looks at once.
    if (missing) this.#file.check();
    return this.#file.current();
  }

  get problem(): string | undefined {
    return this.#file.problem;
  }
}

export interface RemoteKeySourceOptions {
  readonly instance: string;
  /** Gives the text of the key set, and the address it came from. */
  readonly load: () => Promise<{ readonly text: string; readonly from: string }>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Keys are asked for again after this time. */
const REFRESH_AFTER_MS = 300_000;
/** Never asked more often than this, whatever tokens say. */
export const MIN_INTERVAL_MS = 10_000;
/** Keys that could not be refreshed for this long are not used any more. */
const MAX_STALE_MS = 86_400_000;

/** Keys from the network. Loaded when first needed, so that an issuer that is away does not keep the server from starting. */
export class RemoteKeySource implements KeySource {
  readonly #options: RemoteKeySourceOptions;
  #keys: readonly IssuerKey[] | undefined;
  #loadedAt = 0;
  #triedAt: number | undefined;
  #failure: MeshCaError | undefined;
  #loading: Promise<void> | undefined;

  constructor(options: RemoteKeySourceOptions) {
    this.#options = options;
  }

  async keys(missing: boolean): Promise<readonly IssuerKey[]> {
    const age = this.#options.clock.now() - this.#loadedAt;
    if (this.#keys === undefined || age > MAX_STALE_MS) {
      await this.#load();
      if (this.#keys === undefined || this.#options.clock.now() - this.#loadedAt > MAX_STALE_MS)
        throw this.#unavailable();
      return this.#keys;
    }
    if (missing) await this.#load();
    // Nobody waits for a refresh of keys that are still good.
    else if (age > REFRESH_AFTER_MS || age < 0) void this.#load();
    return this.#keys;
  }

  get problem(): string | undefined {
    return this.#failure?.message;
  }

  /** One load at a time; within the interval after the last attempt it does nothing. Never rejects. */
  #load(): Promise<void> {
    if (this.#loading !== undefined) return this.#loading;
    const now = this.#options.clock.now();
    const since = this.#triedAt === undefined ? Number.POSITIVE_INFINITY : Math.abs(now - this.#triedAt);
    if (since < MIN_INTERVAL_MS) return Promise.resolve();
    this.#triedAt = now;
    this.#loading = this.#loadOnce().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #loadOnce(): Promise<void> {
    const { instance, logger, load, clock } = this.#options;
    try {
      const { text, from } = await load();
      this.#keys = parseJwkSet(text, from);
      this.#loadedAt = clock.now();
      this.#failure = undefined;
      logger.info(
        { event: "attestor.keys_loaded", attestor: instance, keys: this.#keys.length },
        "Keys of the issuer are in use.",
      );
    } catch (error) {
      if (error instanceof MeshCaError) this.#failure = error;
      else
        this.#failure = new AttestError("MCA_JWKS_UNAVAILABLE", "The issuer's keys cannot be loaded.", {
          cause: error,
        });
      logger.warn({ event: "attestor.keys_unavailable", attestor: instance, error }, this.#failure.message);
    }
  }

  /** Callers are not told why: an issuer that names an address inside our network would learn what answers there. */
  #unavailable(): AttestError {
    return new AttestError(
      "MCA_JWKS_UNAVAILABLE",
      `The keys of the issuer behind attestor "${this.#options.instance}" are not available right now. Try again later; the server's log and /readyz tell why.`,
      { cause: this.#failure },
    );
  }
}

/** Loads a key set from its URL. */
export function jwksLoader(url: URL, options: () => FetchOptions): RemoteKeySourceOptions["load"] {
  return async () => ({ text: await fetchText(url, options()), from: url.href });
}

/** Finds the key set by the issuer's OpenID configuration, then loads it. */
export function discoveryLoader(issuer: string, options: () => FetchOptions): RemoteKeySourceOptions["load"] {
  const configuration = parseKeyUrl(
    `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`,
    options().insecureLoopback,
  );
  return async () => {
    const url = parseConfiguration(await fetchText(configuration, options()), issuer, configuration, options());
    return { text: await fetchText(url, options()), from: url.href };
  };
}

function parseConfiguration(text: string, issuer: string, from: URL, options: FetchOptions): URL {
  const wrong = (what: string, cause?: unknown) =>
    new AttestError("MCA_JWKS_UNAVAILABLE", `${from.href} ${what}.`, cause === undefined ? {} : { cause });
  let document: unknown;
  try {
    document = parseJson(text, MAX_JWKS_CHARS);
  } catch (cause) {
    throw wrong("is not valid JSON", cause);
  }
  if (!(document instanceof Map)) throw wrong("is not a JSON object");
  // Discovery 4.3: a configuration of another issuer would be the classic mix-up.
  if (document.get("issuer") !== issuer) throw wrong("names another issuer than the one that is configured");
  const jwksUri: unknown = document.get("jwks_uri");
  if (typeof jwksUri !== "string") throw wrong("has no jwks_uri");
  try {
    return parseKeyUrl(jwksUri, options.insecureLoopback);
  } catch (cause) {
    throw wrong("names a jwks_uri that is no https address", cause);
  }
}
