// `mesh-ca init`: creates a trust domain, once.
import type { Clock, Logger, RandomSource } from "../runtime/index.ts";
import type { Config } from "./config/index.ts";

export interface InitialiseOptions {
  readonly config: Config;
  /** A laptop's trust domain: the admin socket asks for no reason, lifetimes may be short. */
  readonly development: boolean;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: RandomSource;
}

export interface Initialised {
  readonly trustDomain: string;
  readonly dataDir: string;
  /** SHA-256 of the first authority's SubjectPublicKeyInfo, lower-case hex. */
  readonly authority: string;
}

/** Creates data directory, schema, trust domain and first authority. Throws InitError MCA_ALREADY_INITIALISED on a second run. */
export async function initialise(_options: InitialiseOptions): Promise<Initialised> {
  throw new TypeError("not written yet");
}
