// One simulated workload: a live mTLS connection to the TlsIdentity API and a chain of renewals over it.
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import type {
  IdentityServiceClient,
  IssueX509SvidResponse,
  WatchTrustResponse,
} from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import type { TlsIdentity } from "../../src/tls/index.ts";
import { createCsr, encodePem } from "../../src/x509/index.ts";
import { connect, issue } from "../support/api-client.ts";

/** A fresh P-256 key with a CSR signed by it, made ahead of time. */
export interface PreparedKey {
  readonly key: KeyObject;
  readonly csr: Uint8Array;
}

export function prepareKey(): PreparedKey {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { key: privateKey, csr: createCsr({ key: privateKey }) };
}

/** What a TLS client shows, from an answer of the server and the key that was asked for. */
export function identityFrom(response: IssueX509SvidResponse, key: KeyObject): TlsIdentity {
  return {
    certificateChainPem: response.certificateChain.map((der) => encodePem("CERTIFICATE", der)).join(""),
    privateKeyPem: key.export({ type: "pkcs8", format: "pem" }).toString(),
    notAfter: response.notAfter?.getTime() ?? 0,
  };
}

export class Workload {
  private readonly client: IdentityServiceClient;
  private newest: { readonly response: IssueX509SvidResponse; readonly key: KeyObject };

  /** The newest revision of trust that it was told, while it follows. */
  revision = 0n;

  private constructor(client: IdentityServiceClient, response: IssueX509SvidResponse, key: KeyObject) {
    this.client = client;
    this.newest = { response, key };
  }

  /** Enrols by token over one connection, then opens the connection that it renews over. */
  static async enrol(address: string, token: string): Promise<Workload> {
    const enrolling = connect(address);
    const { key, csr } = prepareKey();
    const response = await issue(enrolling, { csr, evidence: { $case: "joinToken", value: token } });
    enrolling.close();
    const workload = new Workload(connect(address, identityFrom(response, key)), response, key);
    await workload.renew(prepareKey());
    return workload;
  }

  /** One renewal over the live connection. */
  async renew({ key, csr }: PreparedKey): Promise<void> {
    const response = await issue(this.client, { csr, evidence: { $case: "tlsCertificate", value: {} } });
    this.newest = { response, key };
  }

  /** Follows WatchTrust over the same connection, as a client of the SDK does. Resolves with the first snapshot. */
  follow(): Promise<void> {
    const stream = this.client.watchTrust({ trustDomain: "" });
    return new Promise((resolve, reject) => {
      stream.on("data", ({ revision }: WatchTrustResponse) => {
        resolve();
        if (revision === this.revision) return;
        this.revision = revision;
        // In a moment of its own, as the SDK does.
        setTimeout(() => this.client.acknowledgeTrust({ revision: this.revision }, () => {}), Math.random() * 4_000);
      });
      // A stream that ends is noticed by the revision that this workload is left with.
      stream.on("error", reject);
    });
  }

  get identity(): TlsIdentity {
    return identityFrom(this.newest.response, this.newest.key);
  }

  close(): void {
    this.client.close();
  }
}
