// One attempt to get a certificate: by the present SVID, or by evidence. The key of a request is kept until the request was
// answered, so that a retry asks for the same key and the server can repeat its answer instead of seeing a second child.
import { status } from "@grpc/grpc-js";
import type { IssueX509SvidRequest } from "../proto/gen/meshca/identity/v1/identity.ts";
import { expectServer, type TrustSet, X509SvidVerifier } from "../spiffe/index.ts";
import { type Answer, readAnswer } from "./answer.ts";
import { IdentityClientError, ServerRefusal } from "./errors.ts";
import { type Evidence, readEvidence } from "./evidence.ts";
import { fetchPinnedTrust } from "./pinned-trust.ts";
import { reasonFields } from "./server-error.ts";
import { ServerLink } from "./server-link.ts";
import type { SourceSettings } from "./settings.ts";
import type { PendingKey, StoredSvid, SvidStore } from "./svid-store.ts";
import type { TrustKeeper } from "./trust-keeper.ts";
import { WorkloadKey } from "./workload-key.ts";

export interface Enrolment extends Answer {
  readonly stored: StoredSvid;
  /** True if the trust in the answer replaces what was known: a token's pins, or the first trust ever. */
  readonly freshTrust: boolean;
}

export interface EnrollerOptions {
  readonly settings: SourceSettings;
  readonly store: SvidStore;
  readonly trust: TrustKeeper;
  readonly pending: PendingKey | undefined;
  readonly signal: AbortSignal;
}

export class Enroller {
  readonly #settings: SourceSettings;
  readonly #store: SvidStore;
  readonly #trust: TrustKeeper;
  readonly #signal: AbortSignal;
  #pending: PendingKey | undefined;

  constructor({ settings, store, trust, pending, signal }: EnrollerOptions) {
    this.#settings = settings;
    this.#store = store;
    this.#trust = trust;
    this.#pending = pending;
    this.#signal = signal;
  }

  /** Renews over a link that presents the current SVID. @throws ServerRefusal, IdentityClientError */
  async renew(current: StoredSvid, link: ServerLink): Promise<Enrolment> {
    const key = await this.#keyFor(`renew:${current.svid.serial}`);
    const response = await this.#issue(link, key, { $case: "tlsCertificate", value: {} });
    const trustDomain = current.svid.id.trustDomain;
    const answer = readAnswer(response, { key, trustDomain, id: current.svid.id });
    return this.#answered(answer, link.address, current.evidence, false);
  }

  /** Enrols by the configured evidence. `spent`: the fingerprint of a token that was redeemed already. */
  async enrol(spent: string | undefined): Promise<Enrolment> {
    const evidence = await readEvidence(this.#settings.evidence);
    if (evidence.kind === "join-token" && evidence.fingerprint === spent) {
      throw new IdentityClientError(
        "MCA_CLIENT_EVIDENCE_MISSING",
        "The join token was redeemed already and works once. Ask for a new one: npx mesh-ca token create.",
      );
    }
    const key = await this.#keyFor(evidence.fingerprint);
    const { address, trust } = await this.#serverFor(evidence);
    const verifier = new X509SvidVerifier(trust);
    const link = new ServerLink({
      address,
      judge: (chain) => expectServer(verifier.verify(chain, this.#settings.clock.now())),
      callTimeoutMs: this.#settings.callTimeoutMs,
      ...(evidence.kind === "certificate" ? { identity: () => evidence.identity } : {}),
    });
    try {
      const response = await this.#issue(link, key, messageOf(evidence));
      const answer = readAnswer(response, { key, trustDomain: trust.trustDomain, id: undefined });
      return this.#answered(answer, address, evidence.fingerprint, evidence.kind === "join-token");
    } finally {
      link.close();
    }
  }

  async #serverFor(evidence: Evidence): Promise<{ address: string; trust: TrustSet }> {
    const { server, callTimeoutMs } = this.#settings;
    if (evidence.kind === "join-token") {
      const { token } = evidence;
      const known = this.#trust.trustDomain;
      if (known !== undefined && !known.equals(token.trustDomain)) {
        throw new IdentityClientError(
          "MCA_CLIENT_OPTIONS",
          `The join token is for the trust domain ${token.trustDomain.name}, but this workload belongs to ${known.name}. Use another state directory or trust file.`,
        );
      }
      const address = server ?? token.server;
      const pinning = { address, token, known: this.#trust.known, callTimeoutMs };
      return { address, trust: await fetchPinnedTrust({ ...pinning, signal: this.#signal }) };
    }
    const trust = this.#trust.known;
    if (server === undefined) {
      throw new IdentityClientError(
        "MCA_CLIENT_OPTIONS",
        "Name the server (host:port): only a join token names it itself.",
      );
    }
    if (trust === undefined) {
      throw new IdentityClientError(
        "MCA_CLIENT_OPTIONS",
        "Evidence is sent only to a verified server: name a trustFile, written by npx mesh-ca bundle export --format mesh-ca.",
      );
    }
    return { address: server, trust };
  }

  async #issue(link: ServerLink, key: WorkloadKey, evidence: IssueX509SvidRequest["evidence"]) {
    try {
      const request = { csr: key.csr(), evidence, ttlSeconds: this.#settings.ttlSeconds };
      return await link.issue(request, this.#signal);
    } catch (error) {
      if (error instanceof ServerRefusal && isAboutTheKey(error)) this.#pending = undefined;
      throw error;
    }
  }

  /** The key for this purpose: the one that an unanswered request has used, or a new one, kept before it is used. */
  async #keyFor(purpose: string): Promise<WorkloadKey> {
    if (this.#pending?.purpose === purpose) return this.#pending.key;
    const pending = { purpose, key: await WorkloadKey.create(this.#settings.keyAlgorithm) };
    await this.#keep(() => this.#store.savePending(pending));
    this.#pending = pending;
    return pending.key;
  }

  async #answered(answer: Answer, server: string, evidence: string, freshTrust: boolean): Promise<Enrolment> {
    const stored = { svid: answer.svid, server, evidence };
    await this.#keep(() => this.#store.saveSvid(stored));
    this.#pending = undefined;
    return { ...answer, stored, freshTrust };
  }

  /** A full disk must not cost a running workload its identity: it goes on in memory, loudly. */
  async #keep(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      this.#settings.logger.error(
        { event: "state.not_written", ...reasonFields(error) },
        "The state directory cannot be written. The identity lives in memory only; after a restart this workload may need fresh evidence.",
      );
    }
  }
}

/** Whether the refusal is an answer about this very request, so that the same key would be refused again. */
function isAboutTheKey({ code, grpcStatus }: ServerRefusal): boolean {
  return grpcStatus === status.INVALID_ARGUMENT || code === "MCA_REPLAY_UNSIGNED";
}

function messageOf(evidence: Evidence): IssueX509SvidRequest["evidence"] {
  switch (evidence.kind) {
    case "join-token":
      return { $case: "joinToken", value: evidence.text };
    case "jwt":
      return { $case: "jwt", value: { token: evidence.text, attestor: evidence.attestor } };
    case "certificate":
      return { $case: "tlsCertificate", value: {} };
  }
}
