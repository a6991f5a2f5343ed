// An X.509-SVID with its private key, as a workload holds it. Printing or serialising it never shows the key.
import { inspect } from "node:util";
import type { SpiffeId } from "../spiffe/index.ts";
import type { TlsIdentity } from "../tls/index.ts";
import type { Certificate } from "../x509/index.ts";

export interface SvidFields {
  readonly id: SpiffeId;
  /** Leaf first, then intermediates, never the root. */
  readonly chain: readonly Certificate[];
  readonly chainPem: string;
  /** When to renew, by the server; Unix milliseconds. */
  readonly renewAt: number;
  /** The rule that granted it, the lineage it belongs to, and the index of its ledger entry. */
  readonly rule: string;
  readonly lineage: string;
  readonly logIndex: bigint;
  /** Why the lifetime is shorter than asked; empty if it is not. */
  readonly shortenedBy: string;
}

/** A certificate chain and the private key it certifies. Immutable; a renewal yields a new one. */
export class Svid implements SvidFields {
  readonly id: SpiffeId;
  readonly chain: readonly Certificate[];
  readonly chainPem: string;
  readonly renewAt: number;
  readonly rule: string;
  readonly lineage: string;
  readonly logIndex: bigint;
  readonly shortenedBy: string;
  /** Unix milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Lower-case hex. */
  readonly serial: string;
  readonly #tls: TlsIdentity;

  constructor(leaf: Certificate, fields: SvidFields, keyPem: string) {
    this.id = fields.id;
    this.chain = fields.chain;
    this.chainPem = fields.chainPem;
    this.renewAt = fields.renewAt;
    this.rule = fields.rule;
    this.lineage = fields.lineage;
    this.logIndex = fields.logIndex;
    this.shortenedBy = fields.shortenedBy;
    this.notBefore = leaf.notBefore;
    this.notAfter = leaf.notAfter;
    this.serial = leaf.serialHex;
    this.#tls = { certificateChainPem: fields.chainPem, privateKeyPem: keyPem, notAfter: leaf.notAfter };
  }

  /** The private key, PKCS#8 PEM, not encrypted. Hand it to TLS or to a file of mode 0600, nowhere else. */
  get keyPem(): string {
    return this.#tls.privateKeyPem;
  }

  /** What the makers of TLS options want; always the same object for one SVID. Holds the key: never print it. */
  get tlsIdentity(): TlsIdentity {
    return this.#tls;
  }

  /** What a log may show. */
  toJSON(): Record<string, string> {
    return {
      id: this.id.toString(),
      serial: this.serial,
      notAfter: new Date(this.notAfter).toISOString(),
      renewAt: new Date(this.renewAt).toISOString(),
      key: "[private key]",
    };
  }

  [inspect.custom](): string {
    return `Svid ${inspect(this.toJSON())}`;
  }
}
