// What a program may ask of an SvidSource. Each option says its meaning, unit, default and range.
import type { Logger, RandomSource } from "../runtime/index.ts";
import type { SchedulingClock } from "./scheduling-clock.ts";

/** Where a secret comes from. Secrets are never taken from the command line. */
export type SecretSource =
  /** A file, read each time that it is needed, so that a rotated file is noticed. Surrounding white space is dropped. */
  | { readonly file: string; readonly text?: undefined }
  /** The text itself. */
  | { readonly text: string; readonly file?: undefined };

/** A JWT that the server's attestor knows how to check, such as a Kubernetes service-account token. */
export interface JwtSource {
  /** The file that holds the JWT; read at each enrolment. */
  readonly file: string;
  /** The server's attestor instance that is to check it. Default: the only one whose issuer matches. */
  readonly attestor?: string;
}

/** A certificate of the company's existing PKI, presented as TLS client certificate for the first enrolment. */
export interface EnterpriseCertificateSource {
  /** PEM: leaf first, then intermediates. */
  readonly certificateFile: string;
  /** PEM: the private key of the leaf. */
  readonly keyFile: string;
}

/** The kind of key that is made for each certificate. */
export type KeyAlgorithm = "ec-p256" | "ec-p384" | "ed25519" | "rsa-2048" | "rsa-3072";

interface CommonOptions {
  /** `host:port` of the Identity API. Default: what the join token says. */
  readonly server?: string;
  /** Evidence for the first enrolment; at most one of the three. None: the state directory must hold an identity. */
  readonly joinToken?: SecretSource;
  readonly jwt?: JwtSource;
  readonly certificate?: EnterpriseCertificateSource;
  /** The trust file that `mesh-ca bundle export --format mesh-ca` wrote. Needed where no join token pins the server. */
  readonly trustFile?: string;
  /** The lifetime wished for, in seconds. Default: what the rule grants. */
  readonly ttlSeconds?: number;
  /** Default: "ec-p256". */
  readonly keyAlgorithm?: KeyAlgorithm;
  /** How long `start` goes on trying while the server is away, in milliseconds. Default 60,000; 0 tries once. */
  readonly startTimeoutMs?: number;
  /** Called after each attempt of `start` that failed and is tried again. */
  readonly onWaiting?: (error: Error) => void;
  /** Deadline of one call, in milliseconds. Default 15,000. */
  readonly callTimeoutMs?: number;
  /** Ends `start`, and closes the source when it fires later. */
  readonly signal?: AbortSignal;
  readonly clock?: SchedulingClock;
  readonly random?: RandomSource;
  /** Default: silent. */
  readonly logger?: Logger;
}

interface StoredOptions extends CommonOptions {
  /** The directory (mode 0700, made if missing) that keeps key, certificates, pending key and trust across restarts. */
  readonly stateDir: string;
  readonly memoryOnly?: undefined;
}

interface MemoryOptions extends CommonOptions {
  /** Keep nothing on disk: each start needs fresh evidence. */
  readonly memoryOnly: true;
  readonly stateDir?: undefined;
}

export type SvidSourceOptions = StoredOptions | MemoryOptions;
