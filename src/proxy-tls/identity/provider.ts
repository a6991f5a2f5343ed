// Who we are and whom our own trust domain trusts, wherever it comes from. The private key stays in this process and its workers.
import type { TrustSet } from "../../spiffe/index.ts";
import type { TlsIdentity } from "../../tls/index.ts";
import type { AdminFinding, AdminReload } from "../admin/view.ts";

/** An identity that may be shown now. */
export interface OwnIdentity {
  /** Our SPIFFE ID. */
  readonly id: string;
  readonly tls: TlsIdentity;
}

/** What a provider knows at a moment. */
export interface ProvidedIdentity {
  /** Undefined: there is no valid one, and nothing may be served. */
  readonly own: OwnIdentity | undefined;
  /** Of our own trust domain; undefined: not known yet. */
  readonly trust: TrustSet | undefined;
}

export interface IdentityProvider {
  current(): ProvidedIdentity;
  /** Calls `listener` after each change, also when the identity expires; returns how to stop. */
  onChange(listener: () => void): () => void;
  /** Begins; resolves with the first identity, however long it takes. @throws where waiting cannot help; the signal's reason */
  start(signal: AbortSignal): Promise<void>;
  /** Why there is no identity, or what keeps it from being renewed; empty: nothing. */
  problems(): readonly AdminFinding[];
  /** How files were read again; undefined: none are. */
  reload(): AdminReload | undefined;
  /** Looks at files now (SIGHUP). */
  look(): Promise<void>;
  close(): Promise<void>;
}
