// A trust domain for proxies in tests: identities by SPIFFE ID, a second trust domain, and a state that a test changes.
import { PeerVerifier } from "../../../src/proxy-tls/identity/peer-verifier.ts";
import { PolicySet } from "../../../src/proxy-tls/policy/policy-set.ts";
import type { ProxyState, StateSource } from "../../../src/proxy-tls/state.ts";
import { encodeTrustFile, TrustDomain, type TrustSet } from "../../../src/spiffe/index.ts";
import type { TlsIdentity } from "../../../src/tls/index.ts";
import {
  type CertificateOptions,
  chainPem,
  createIntermediate,
  createLeaf,
  createRoot,
  type TestCertificate,
} from "../../support/pki.ts";
import { trustSet } from "../../support/trust-set.ts";

/** A certificate authority of one trust domain. */
export class TestDomain {
  readonly name: string;
  readonly #root = createRoot();
  readonly #authority: TestCertificate;

  /** @param authority of the certificate that signs the identities */
  constructor(name: string, authority: CertificateOptions = {}) {
    this.name = name;
    this.#authority = createIntermediate(this.#root, { pathLength: 0, ...authority });
  }

  /** An identity for `spiffe://<name><path>`. */
  identity(path: string, options: CertificateOptions = {}): TlsIdentity {
    return this.identityWith({ spiffeId: `spiffe://${this.name}${path}`, ...options });
  }

  /** The same by another CA under the same root, as one enterprise root has many (rule X-16). */
  siblingIdentity(path: string): TlsIdentity {
    const sibling = createIntermediate(this.#root, { pathLength: 0 });
    const leaf = createLeaf(sibling, { spiffeId: `spiffe://${this.name}${path}` });
    return {
      certificateChainPem: chainPem(leaf, sibling),
      privateKeyPem: leaf.keyPem,
      notAfter: leaf.certificate.notAfter,
    };
  }

  /** An identity of this domain's CA with these names alone: none, or several. */
  identityWith(options: CertificateOptions): TlsIdentity {
    const leaf = createLeaf(this.#authority, options);
    return {
      certificateChainPem: chainPem(leaf, this.#authority),
      privateKeyPem: leaf.keyPem,
      notAfter: leaf.certificate.notAfter,
    };
  }

  /** The same as a trust file. */
  trustText(changes: Partial<TrustSet> = {}): string {
    return encodeTrustFile(this.trust(changes));
  }

  trust(changes: Partial<TrustSet> = {}): TrustSet {
    const trustDomain = TrustDomain.parse(this.name);
    const anchors = [this.#root.certificate];
    return trustSet({ trustDomain, anchors, authorities: [this.#authority.certificate] }, changes);
  }

  /** The anchor in PEM. */
  get anchorPem(): string {
    return this.#root.pem;
  }
}

/** A state that a test changes by `set`; the revisions grow with what is set. */
export class TestState implements StateSource {
  readonly #listeners = new Set<() => void>();
  #current: ProxyState;

  constructor(ownId: string, identity: TlsIdentity, trust: readonly TrustSet[], policies: PolicySet = PolicySet.empty) {
    this.#current = {
      ...{ revision: 1, identityRevision: 1, trustRevision: 1, policyRevision: 1 },
      ...{ ownId, identity, peers: new PeerVerifier(trust), policies },
    };
  }

  current(): ProxyState {
    return this.#current;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  set(changes: Partial<Pick<ProxyState, "identity" | "peers" | "policies">>): void {
    const { revision, identityRevision, trustRevision, policyRevision } = this.#current;
    this.#current = {
      ...this.#current,
      ...changes,
      revision: revision + 1,
      identityRevision: identityRevision + ("identity" in changes ? 1 : 0),
      trustRevision: trustRevision + ("peers" in changes ? 1 : 0),
      policyRevision: policyRevision + ("policies" in changes ? 1 : 0),
    };
    for (const listener of this.#listeners) listener();
  }
}
