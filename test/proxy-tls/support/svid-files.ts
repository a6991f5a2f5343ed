// A folder that holds an identity's files as `mesh-ca svid fetch` and Kubernetes write them: a new folder for each set, and a link that is
// swapped by rename.
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TlsIdentity } from "../../../src/tls/index.ts";
import { temporaryDirectory } from "../../identity-client/helpers.ts";
import type { TestDomain } from "./state.ts";

export interface SvidSet {
  readonly identity: TlsIdentity;
  /** Default: the identity's. */
  readonly key?: string;
  /** Default: the domain's. */
  readonly trust?: string;
}

export class SvidFiles {
  readonly folder = temporaryDirectory();
  readonly #domain: TestDomain;
  #version = 0;

  constructor(domain: TestDomain) {
    this.#domain = domain;
  }

  /** The path of a file in the present set. */
  at(name: "svid.pem" | "svid_key.pem" | "trust.json"): string {
    return join(this.folder, "current", name);
  }

  /** The configuration's `identity`. */
  get config(): Record<string, string> {
    return {
      kind: "files",
      certificateFile: this.at("svid.pem"),
      keyFile: this.at("svid_key.pem"),
      trustFile: this.at("trust.json"),
    };
  }

  swap({ identity, key = identity.privateKeyPem, trust = this.#domain.trustText() }: SvidSet): void {
    this.#version += 1;
    const folder = join(this.folder, `v${this.#version}`);
    mkdirSync(folder);
    writeFileSync(join(folder, "svid.pem"), identity.certificateChainPem);
    writeFileSync(join(folder, "svid_key.pem"), key, { mode: 0o600 });
    writeFileSync(join(folder, "trust.json"), trust);
    symlinkSync(folder, join(this.folder, "next"));
    renameSync(join(this.folder, "next"), join(this.folder, "current"));
  }
}
