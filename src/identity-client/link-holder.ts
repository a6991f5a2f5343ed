// The one connection of a running source: renewals and the trust stream share it. Never two at a time with different
// certificates: to the server, an older certificate that shows up after its successor was used is a stolen key.
import type { TlsIdentity } from "../tls/index.ts";
import type { Certificate } from "../x509/index.ts";
import { ServerLink } from "./server-link.ts";

export interface LinkHolderOptions {
  address(): string;
  judge(chain: readonly Certificate[]): void;
  identity(): TlsIdentity | undefined;
  readonly callTimeoutMs: number;
}

export class LinkHolder {
  readonly #options: LinkHolderOptions;
  #link: ServerLink | undefined;

  constructor(options: LinkHolderOptions) {
    this.#options = options;
  }

  /** The open link, or a new one. */
  get(): ServerLink {
    const { address, judge, identity, callTimeoutMs } = this.#options;
    this.#link ??= new ServerLink({ address: address(), judge, identity, callTimeoutMs });
    return this.#link;
  }

  /** Closes a link that failed; the next `get` opens another. */
  discard(link: ServerLink): void {
    if (this.#link === link) this.#link = undefined;
    link.close();
  }

  /** Judges the server of the open connection again, after trust changed. */
  judgeAgain(): void {
    const link = this.#link;
    if (link?.presented === undefined) return;
    try {
      this.#options.judge(link.presented);
    } catch {
      this.discard(link);
    }
  }

  close(): void {
    if (this.#link !== undefined) this.discard(this.#link);
  }
}
