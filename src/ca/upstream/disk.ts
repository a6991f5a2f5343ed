// The upstream "disk": an issuing CA's certificate and key on disk sign our intermediate authorities.
import type { Clock, Logger } from "../../runtime/index.ts";
import type { TrustDomain } from "../../spiffe/index.ts";
import type { DnsGrant } from "./name-permissions.ts";
import type { OnlineUpstream, UpstreamAnswer, UpstreamRequest } from "./upstream.ts";

export interface DiskUpstreamOptions {
  /** The issuing CA's certificate, its intermediates and its root: PEM, DER or PKCS#7, in any order. */
  readonly certificateFile: string;
  /** Its private key, PEM: PKCS#8 (encrypted or not), EC or RSA. */
  readonly keyFile: string;
  /** Holds the passphrase of an encrypted key, in its first line. */
  readonly passphraseFile?: string | undefined;
  /** Given: name constraints of the chain are judged when the files are read, not only when an authority is made. */
  readonly trustDomain?: TrustDomain;
  readonly dnsGrants?: () => readonly DnsGrant[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Whether the files can sign an authority now. */
export type DiskUpstreamHealth =
  | { readonly kind: "good" /** Subject of the issuing CA. */; readonly certificate: string; readonly endsAt: number }
  | { readonly kind: "problem"; readonly sentence: string; readonly usingLastGood: boolean };

/** Signs authorities with an issuing CA on disk. Replaced files are noticed; bad ones never replace good ones. */
export class DiskUpstream implements OnlineUpstream {
  readonly kind = "disk";
  readonly answersAtOnce = true;

  /** Reads the files. Unusable ones are no error here: `health()` says it, and `certify` throws. */
  static async open(_options: DiskUpstreamOptions): Promise<DiskUpstream> {
    throw new TypeError("the upstream disk is not there yet");
  }

  /** Looks at the files again. Never throws. */
  async refresh(): Promise<void> {}

  health(): DiskUpstreamHealth {
    return { kind: "problem", sentence: "the upstream disk is not there yet", usingLastGood: false };
  }

  /** @throws UpstreamError MCA_UPSTREAM_FILES_UNUSABLE, MCA_UPSTREAM_KEY_INSECURE */
  async certify(_request: UpstreamRequest): Promise<UpstreamAnswer> {
    throw new TypeError("the upstream disk is not there yet");
  }
}
