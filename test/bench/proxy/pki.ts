// The identities of the proxy's bench: a trust domain with a root and an intermediate, the proxy's own identities (several, for
// rotations) and one client. Written as `mesh-ca svid fetch` writes them, so that both sides of a comparison read the same files.
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  DEFAULT_REFRESH_HINT_SECONDS,
  encodeTrustFile,
  TrustDomain,
  type TrustSet,
} from "../../../src/spiffe/index.ts";
import { chainPem, createIntermediate, createLeaf, createRoot } from "../../support/pki.ts";

const DAY_MS = 86_400_000;

export const TRUST_DOMAIN = "bench.test";
/** What the policies of the bench allow. */
export const CLIENT_PATH = "/ns/shop/sa/web";

export class BenchPki {
  readonly #root = createRoot();
  readonly #authority = createIntermediate(this.#root, { pathLength: 0 });
  readonly #folder: string;

  /** @param folder a folder that is there */
  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(this.proxy);
    mkdirSync(this.client);
    this.rotateProxy();
    this.#write(this.client, CLIENT_PATH);
  }

  /** Folder of the proxy's identity: svid.pem, svid_key.pem, svid_bundle.pem, trust.json. */
  get proxy(): string {
    return join(this.#folder, "proxy");
  }

  get client(): string {
    return join(this.#folder, "client");
  }

  /** Gives the proxy a new key and certificate. */
  rotateProxy(): void {
    this.#write(this.proxy, "/ns/shop/sa/api");
  }

  #write(folder: string, path: string): void {
    const leaf = createLeaf(this.#authority, {
      spiffeId: `spiffe://${TRUST_DOMAIN}${path}`,
      notAfter: Date.now() + DAY_MS,
    });
    replaceFile(join(folder, "svid_key.pem"), leaf.keyPem);
    replaceFile(join(folder, "svid.pem"), chainPem(leaf, this.#authority));
    replaceFile(join(folder, "svid_bundle.pem"), chainPem(this.#root));
    const trust: TrustSet = {
      trustDomain: TrustDomain.parse(TRUST_DOMAIN),
      anchors: [this.#root.certificate],
      authorities: [this.#authority.certificate],
      intermediates: [],
      distrustedSpkis: new Set(),
      revocations: [],
      sequence: 1n,
      revision: 1n,
      refreshHintSeconds: DEFAULT_REFRESH_HINT_SECONDS,
    };
    replaceFile(join(folder, "trust.json"), encodeTrustFile(trust));
  }
}

/** Replaces a file in one step, as whoever keeps files fresh for a program that watches them should. */
export function replaceFile(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
