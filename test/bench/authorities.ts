// What an operator does with authorities, by the admin socket: as `mesh-ca authority ...` does it, without a process for each command.
import { credentials, Metadata } from "@grpc/grpc-js";
import { sampleKey } from "../../pki-samples/keys.ts";
import {
  AuthorityServiceClient,
  CreateAuthorityRequestRequest,
  ImportAuthorityRequest,
  ListAuthoritiesRequest,
  Authority_State as State,
} from "../../src/proto/gen/meshca/identity/v1/authority.ts";
import { call } from "../support/api-client.ts";
import { createIntermediate, createRoot, type TestCertificate } from "../support/pki.ts";
import { signRequest } from "../support/sign-request.ts";

/** For a server that is only just starting, too. */
const PATIENTLY = { metadata: new Metadata({ waitForReady: true }), timeoutMs: 30_000 };

/** An enterprise as they are: a root and an issuing CA with RSA keys. */
export interface BenchEnterprise {
  readonly root: TestCertificate;
  readonly issuing: TestCertificate;
}

export function makeEnterprise(): BenchEnterprise {
  const root = createRoot({ subject: "Bench Enterprise Root", key: sampleKey("root-r1") });
  return { root, issuing: createIntermediate(root, { pathLength: 1, key: sampleKey("issuing-rsa") }) };
}

export class Authorities {
  readonly #client: AuthorityServiceClient;

  constructor(adminSocket: string) {
    this.#client = new AuthorityServiceClient(adminSocket, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.initial_reconnect_backoff_ms": 50,
    });
  }

  /** A request that people are to sign. PKCS#10, DER. Waits for a server that is only just starting. */
  async request(): Promise<Uint8Array> {
    const message = CreateAuthorityRequestRequest.fromPartial({});
    const { request } = await call(this.#client, this.#client.createAuthorityRequest, message, PATIENTLY);
    if (request === undefined) throw new Error("the server gave no certification request");
    return request.csr;
  }

  /** Brings in what the enterprise signed. Answers the authority's name. `emergency`: it signs at once. */
  async import(
    enterprise: BenchEnterprise,
    csr: Uint8Array,
    options: { readonly emergency: boolean },
  ): Promise<string> {
    const { root, issuing } = enterprise;
    const files = [signRequest(issuing, csr), issuing.der, root.der].map((content) => ({ name: "bench", content }));
    const message = ImportAuthorityRequest.fromPartial({ files, ...options });
    const { outcome } = await call(this.#client, this.#client.importAuthority, message, PATIENTLY);
    if (outcome?.$case !== "accepted") throw new Error(`the import was refused: ${JSON.stringify(outcome)}`);
    return outcome.value.spkiSha256;
  }

  async activate(authority: string): Promise<void> {
    await call(this.#client, this.#client.activateAuthority, { authority, emergency: false }, PATIENTLY);
  }

  /** Forced rotation. Answers the successor's name and when it is going to take over, Unix milliseconds. */
  async rotate(): Promise<{ readonly authority: string; readonly activatesAt: number }> {
    const { spkiSha256, activatesAt } = await call(this.#client, this.#client.rotateAuthority, {}, PATIENTLY);
    if (activatesAt === undefined) throw new Error("the server did not say when the successor takes over");
    return { authority: spkiSha256, activatesAt: activatesAt.getTime() };
  }

  async now(): Promise<{ readonly active: string | undefined; readonly revision: bigint }> {
    const message = ListAuthoritiesRequest.fromPartial({});
    const { authorities, revision } = await call(this.#client, this.#client.listAuthorities, message, PATIENTLY);
    const active = authorities.find(({ state }) => state === State.STATE_ACTIVE)?.spkiSha256;
    return { active, revision };
  }

  close(): void {
    this.#client.close();
  }
}
