// What the data plane knows of a listener, inbound or outbound.
import type { ListenerCounts } from "../observe/records.ts";
import type { BoundAddress } from "./runtime.ts";

export interface ProxyListener {
  readonly name: string;
  /**
   * Opens it.
   * @throws TlsError MCA_TLS_IDENTITY_MISSING, MCA_TLS_LISTEN_FAILED ...; ProxyError MCA_PROXY_LISTEN_FAILED
   */
  listen(): Promise<BoundAddress>;
  /** Takes no new connection from now on. Resolves when those that were accepted have closed; after `graceMs` they are destroyed. */
  close(graceMs: number): Promise<void>;
  counts(): ListenerCounts;
}
