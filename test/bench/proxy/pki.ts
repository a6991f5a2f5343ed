// The identities of the proxy's bench: a trust domain with a root and an intermediate, the proxy's own identities (several, for
// rotations) and one client. Written as `mesh-ca svid fetch` writes them, so that both sides of a comparison read the same files.
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestDomain } from "../../proxy-tls/support/state.ts";

const DAY_MS = 86_400_000;

export const TRUST_DOMAIN = "bench.test";
/** What the policies of the bench allow. */
export const CLIENT_PATH = "/ns/shop/sa/web";

export class BenchPki {
  readonly #domain = new TestDomain(TRUST_DOMAIN);
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
    const identity = this.#domain.identity(path, { notAfter: Date.now() + DAY_MS });
    replaceFile(join(folder, "svid_key.pem"), identity.privateKeyPem);
    replaceFile(join(folder, "svid.pem"), identity.certificateChainPem);
    replaceFile(join(folder, "svid_bundle.pem"), this.#domain.anchorPem);
    replaceFile(join(folder, "trust.json"), this.#domain.trustText());
  }
}

/** Replaces a file in one step, as whoever keeps files fresh for a program that watches them should. */
export function replaceFile(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
