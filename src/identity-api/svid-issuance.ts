// From a call to an identity: which evidence, which grant, which place in which lineage; then the issuer. Knows no gRPC.
import type { Grant, IssuedX509Svid, Issuer, Lineage, LineageStep, X509SvidRequest } from "../ca/index.ts";
import { LedgerError } from "../ca/index.ts";
import { type Clock, type Logger, type RandomSource, randomUuid } from "../runtime/index.ts";
import { ApiError } from "./api-error.ts";
import type { Attestors, EstablishedEvidence } from "./attest/index.ts";
import type { Connection, PresentedLeaf } from "./connection.ts";
import { Places } from "./places.ts";
import type { RecordedSvids } from "./recorded-svids.ts";
import type { Registry, RuleSet } from "./registry/index.ts";
import type { RuleQuotas } from "./rule-quotas.ts";

export type Evidence =
  | { readonly kind: "join-token"; readonly text: string }
  | { readonly kind: "jwt"; readonly token: string; readonly attestor: string }
  /** The client certificate of the connection: our SVID (renewal), or an enterprise certificate (enrolment). */
  | { readonly kind: "certificate" };

export interface SvidCall {
  readonly csrDer: Uint8Array;
  readonly evidence: Evidence;
  /** 0: what the rule grants. */
  readonly ttlSeconds: number;
  readonly connection: Connection;
  readonly requestId: string;
  /** True once nobody waits for the answer. */
  cancelled(): boolean;
}

export interface SvidIssuanceOptions {
  readonly attestors: Attestors;
  readonly registry: Registry;
  readonly issuer: Issuer;
  readonly records: RecordedSvids;
  readonly quotas: RuleQuotas;
  readonly maxInFlight: number;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  /** One log line for each certificate. */
  readonly logIssued: boolean;
}

export class SvidIssuance {
  readonly #options: SvidIssuanceOptions;
  readonly #issuing: Places;
  /** For JWTs whose issuer is asked for its keys: an issuer that lets us wait must not take the places of those who renew. */
  readonly #attesting: Places;

  constructor(options: SvidIssuanceOptions) {
    this.#options = options;
    this.#issuing = new Places(options.maxInFlight);
    this.#attesting = new Places(options.maxInFlight);
  }

  /** Issues, records and logs. Throws the coded error of whichever room refused. */
  async issue(call: SvidCall): Promise<IssuedX509Svid> {
    const { attestors, logIssued } = this.#options;
    const { evidence } = call;
    const jwt = evidence.kind === "jwt" ? await this.#attesting.run(() => attestors.jwt(evidence)) : undefined;
    const issued = await this.#issuing.run(() => (jwt === undefined ? this.#issue(call) : this.#enrol(call, jwt)));
    if (logIssued) this.#log(issued, call);
    return issued;
  }

  async #issue(call: SvidCall): Promise<IssuedX509Svid> {
    const { evidence, connection } = call;
    const { attestors } = this.#options;
    if (evidence.kind === "join-token") return this.#enrol(call, await attestors.joinToken(evidence.text));
    const presented = connection.presented;
    if (presented === undefined) return this.#enrol(call, attestors.x509(connection.verdict));
    // Renewals of one connection run one after the other: each makes it count as authenticated by the next child.
    return connection.inTurn(() => this.#renew(call, connection.presented ?? presented));
  }

  /** A first enrolment opens a lineage. */
  #enrol(call: SvidCall, established: EstablishedEvidence): Promise<IssuedX509Svid> {
    const lineage: LineageStep = { kind: "open", id: randomUuid(this.#options.random) };
    return this.#withRules((rules) => {
      const { attributes, token } = established;
      const grant = rules.enrol({ attributes, rulesRevision: token?.rulesRevision }, call.ttlSeconds);
      return this.#ask(call, grant, lineage, {
        name: established.requester,
        attestor: established.attestor,
        attributes: established.attributes,
        token: established.token,
      });
    });
  }

  /** A renewal adds a child to the lineage of the certificate by which the caller counts as authenticated. */
  async #renew(call: SvidCall, presented: PresentedLeaf): Promise<IssuedX509Svid> {
    const lineage = await this.lineageOf(call.connection, presented);
    const step: LineageStep = { kind: "renew", id: lineage.id, presentedSerial: presented.serial };
    const issued = await this.#withRules((rules) => {
      const now = this.#options.clock.now();
      const grant = rules.renew(
        {
          rule: lineage.rule,
          spiffeId: lineage.spiffeId,
          attributes: lineage.attributes,
          openedAt: lineage.openedAt,
          expiredAt: now > presented.notAfter ? presented.notAfter : undefined,
        },
        now,
        call.ttlSeconds,
      );
      return this.#ask(call, grant, step, {
        name: lineage.spiffeId,
        attestor: lineage.attestor,
        attributes: lineage.attributes,
      });
    });
    call.connection.adopt({ serial: issued.serial, notAfter: issued.notAfter });
    return issued;
  }

  /**
   * The lineage of the certificate by which the caller counts as authenticated: that of the one shown at the handshake.
   * @throws ApiError MCA_NOT_RENEWABLE, MCA_SVID_UNRECORDED
   */
  async lineageOf(connection: Connection, presented: PresentedLeaf): Promise<Lineage> {
    const { leaf } = connection;
    if (connection.lineage === undefined && leaf !== undefined) {
      connection.lineage = await this.#options.records.lineageOf(leaf, connection.peerName, connection.address);
    }
    if (connection.lineage === undefined) {
      throw new ApiError(
        "MCA_NOT_RENEWABLE",
        "The presented certificate belongs to no enrolment, so that it cannot be renewed. Enrol with a token, a JWT or an enterprise certificate.",
        { details: { serial: presented.serial } },
      );
    }
    return connection.lineage;
  }

  /** The rules may change between evaluation and commit; the ledger notices, and they are evaluated once more. */
  async #withRules(run: (rules: RuleSet) => Promise<IssuedX509Svid>): Promise<IssuedX509Svid> {
    const { registry } = this.#options;
    try {
      return await run(registry.rules());
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== "MCA_RULE_CHANGED") throw error;
      return await run(await registry.refresh());
    }
  }

  async #ask(
    call: SvidCall,
    grant: Grant,
    lineage: LineageStep,
    who: {
      readonly name: string;
      readonly attestor: string;
      readonly attributes: ReadonlyMap<string, string>;
      readonly token?: X509SvidRequest["token"] | undefined;
    },
  ): Promise<IssuedX509Svid> {
    if (call.cancelled()) {
      throw new ApiError(
        "MCA_DEADLINE_EXCEEDED",
        "The caller went away before the certificate was recorded; nothing was issued.",
      );
    }
    const giveBack = this.#options.quotas.take(grant.rule);
    let issued: IssuedX509Svid | undefined;
    try {
      issued = await this.#options.issuer.issueX509Svid({
        csrDer: call.csrDer,
        grant,
        requester: {
          name: who.name,
          address: call.connection.address,
          requestId: call.requestId,
          attestor: who.attestor,
          attributes: who.attributes,
        },
        lineage,
        ...(who.token === undefined ? {} : { token: who.token }),
        ttlSeconds: call.ttlSeconds,
      });
      return issued;
    } finally {
      // What was refused, or only repeated, must not use up what others of the rule live on.
      if (issued === undefined || issued.repeated) giveBack();
    }
  }

  #log(issued: IssuedX509Svid, call: SvidCall): void {
    this.#options.logger.info(
      {
        event: "svid.issued",
        spiffeId: issued.spiffeId.toString(),
        serial: issued.serial,
        logIndex: String(issued.logIndex),
        rule: issued.rule,
        lineage: issued.lineage,
        evidence: call.evidence.kind,
        address: call.connection.address,
        requestId: call.requestId,
        notAfter: issued.notAfter,
      },
      "issued an X.509-SVID",
    );
  }
}
