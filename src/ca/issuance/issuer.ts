// The issuing path: CSR -> key policy -> proof of possession -> profile -> lint -> Intent -> ledger commit -> sign ->
// outcome. Nothing is signed that the ledger has not committed; whatever happens after the commit is reported as its
// outcome. It knows no transport and decides no identity: the grant does.
import type { Clock, Logger, Metrics, RandomSource } from "../../runtime/index.ts";
import { type SpiffeId, serverId } from "../../spiffe/index.ts";
import { type Csr, parseCsr, toHex, verifyCsrSignature } from "../../x509/index.ts";
import type { ActiveAuthority, AuthorityManager } from "../authority/index.ts";
import { type CommitResult, Intent, type IntentFields, type Ledger, LedgerError } from "../ledger/index.ts";
import type { Database } from "../store/index.ts";
import { BackgroundChecks } from "./background-checks.ts";
import { requireMatchingNames } from "./csr-names.ts";
import { IssuanceError } from "./errors.ts";
import { requireAcceptableKey } from "./key-policy.ts";
import { decideLifetime, type Lifetime } from "./lifetime.ts";
import { type IdKind, type LintedTbs, type LintIssuer, lint, readLintIssuer } from "./lint/index.ts";
import { LeafProfile } from "./profile.ts";
import { chooseRenewAt } from "./renewal.ts";
import { type Replayed, replayIssuance } from "./replay.ts";
import type { IssuedX509Svid, ServerSvidRequest, X509SvidRequest } from "./request.ts";
import { createSerial } from "./serial.ts";
import type { IssuanceSettings } from "./settings.ts";
import { signCommitted } from "./sign.ts";
import { Stage } from "./stage.ts";

export interface IssuerOptions {
  readonly ledger: Ledger;
  readonly database: Database;
  readonly authorities: AuthorityManager;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly settings: IssuanceSettings;
  readonly logger: Logger;
  readonly metrics?: Metrics;
}

/** What a certificate is to say, and what the ledger is to tell of it. */
interface Order {
  readonly csr: Csr;
  readonly spiffeId: SpiffeId;
  readonly idKind: IdKind;
  readonly dnsNames: readonly string[];
  readonly granted: { readonly ttlSeconds: number; readonly rule: string; readonly shortenedBy?: string | undefined };
  readonly askedTtlSeconds: number | undefined;
  readonly record: Pick<
    IntentFields,
    "requester" | "requesterAddress" | "requestId" | "attestor" | "attributes" | "rule" | "lineage" | "token"
  >;
}

const SERIAL_ATTEMPTS = 3;

/** Issues X.509-SVIDs. */
export class Issuer {
  readonly #options: IssuerOptions;
  readonly #background: BackgroundChecks;
  /** The template and the lint's view of each authority. */
  readonly #templates = new WeakMap<ActiveAuthority, { profile: LeafProfile; issuer: LintIssuer }>();
  readonly #stage = new Stage();
  readonly #issued;
  readonly #replayed;

  constructor(options: IssuerOptions) {
    this.#options = options;
    this.#background = new BackgroundChecks(options);
    const counter = options.metrics?.counter("mesh_ca_issued_certificates", {
      description: "Certificates that were recorded and signed, and answers repeated from the record",
    });
    this.#issued = counter?.bind({ kind: "issued" });
    this.#replayed = counter?.bind({ kind: "replayed" });
  }

  /** Starts the background checks (clocks; issued certificates). The clocks have been compared when it resolves. */
  start(): Promise<void> {
    return this.#background.start();
  }

  /** Why nothing is issued because of the clocks, as of the last comparison; undefined if nothing speaks against it. */
  clockProblem(): IssuanceError | undefined {
    return this.#background.clockProblem();
  }

  close(): Promise<void> {
    return this.#background.close();
  }

  /**
   * Issues a certificate for what a rule granted.
   * @throws X509Error MCA_CSR_*; IssuanceError; AuthorityError where this replica may not issue; LedgerError
   */
  async issueX509Svid(request: X509SvidRequest): Promise<IssuedX509Svid> {
    const { grant, requester } = request;
    if (grant.spiffeId.isReserved) {
      throw new IssuanceError(
        "MCA_ID_RESERVED",
        `${grant.spiffeId.toString()} is reserved for mesh-ca itself: change the rule ${grant.rule}.`,
      );
    }
    await this.#stage.enter();
    return await this.#issue({
      csr: readCsr(request.csrDer, grant.spiffeId),
      spiffeId: grant.spiffeId,
      idKind: "workload",
      dnsNames: grant.dnsNames,
      granted: grant,
      askedTtlSeconds: request.ttlSeconds,
      record: {
        requester: requester.name,
        requesterAddress: requester.address,
        requestId: requester.requestId,
        attestor: requester.attestor,
        attributes: requester.attributes,
        rule: { name: grant.rule, revision: grant.ruleRevision },
        lineage: request.lineage,
        token: request.token,
      },
    });
  }

  /** Issues the server's own certificate, `spiffe://<td>/mesh-ca/server`: recorded like every other. Throws the same. */
  async issueServerSvid(request: ServerSvidRequest): Promise<IssuedX509Svid> {
    const { authorities, settings } = this.#options;
    const spiffeId = serverId(authorities.trustDomain);
    return await this.#issue({
      csr: readCsr(request.csrDer, spiffeId),
      spiffeId,
      idKind: "server",
      dnsNames: request.dnsNames ?? [],
      granted: { ttlSeconds: settings.defaultTtlSeconds, rule: "" },
      askedTtlSeconds: request.ttlSeconds,
      record: {
        requester: "self",
        requesterAddress: "",
        requestId: request.requestId ?? "",
        attestor: undefined,
        attributes: new Map(),
        rule: undefined,
        lineage: { kind: "none" },
        token: undefined,
      },
    });
  }

  async #issue(order: Order): Promise<IssuedX509Svid> {
    try {
      return await this.#issueNow(order);
    } catch (error) {
      // Another replica has just given our authority up; our successor may have taken over. Nothing was recorded.
      if (!(error instanceof LedgerError) || error.code !== "MCA_AUTHORITY_NOT_ACTIVE") throw error;
      await this.#options.authorities.refresh();
      return await this.#issueNow(order);
    }
  }

  async #issueNow(order: Order): Promise<IssuedX509Svid> {
    const { authorities } = this.#options;
    // Usually there is nothing to wait for, and no turn of the event loop is spent.
    for (let wait = this.#background.requireClock() ?? authorities.handover(); wait; wait = authorities.handover()) {
      await wait;
    }
    const authority = authorities.active();
    const end = authority.begin();
    try {
      return await this.#issueUnder(authority, order);
    } finally {
      end();
    }
  }

  async #issueUnder(authority: ActiveAuthority, order: Order): Promise<IssuedX509Svid> {
    let replacing: bigint | undefined;
    for (let attempt = 1; ; attempt++) {
      const { intent, linted, lifetime } = this.#draw(authority, order, replacing);
      let result: CommitResult;
      try {
        result = await this.#options.ledger.commit(intent);
      } catch (error) {
        const collided = error instanceof LedgerError && error.code === "MCA_SERIAL_COLLISION";
        if (collided && attempt < SERIAL_ATTEMPTS) continue;
        throw error;
      }
      if (result.kind === "committed") return await this.#sign(result, linted, authority, order, lifetime);
      const replayed = await replayIssuance(this.#options, result.logIndex, order.csr.publicKey.spkiSha256);
      if (replayed.kind === "certificate") return this.#answerReplay(result.logIndex, replayed, order);
      if (replacing === result.logIndex || attempt >= SERIAL_ATTEMPTS) throw unsigned(result.logIndex, replayed.why);
      replacing = result.logIndex;
    }
  }

  /** Writes the certificate's bytes, has them linted, and wraps them into an intent. */
  #draw(
    authority: ActiveAuthority,
    order: Order,
    replacing: bigint | undefined,
  ): { readonly intent: Intent; readonly linted: LintedTbs; readonly lifetime: Lifetime } {
    const { clock, random, settings, authorities } = this.#options;
    const { csr, dnsNames } = order;
    const now = clock.now();
    const { profile, issuer } = this.#templateOf(authority);
    const { granted, askedTtlSeconds } = order;
    const bounds = { notBefore: authority.certificate.notBefore, notAfter: authority.endsAt };
    const lifetime = decideLifetime({ now, granted, askedTtlSeconds, issuer: bounds, settings });
    const { notBefore, notAfter } = lifetime;
    const spiffeId = order.spiffeId.toString();
    const serial = createSerial(authority.replica, random);
    const tbs = profile.build({ serial, notBefore, notAfter, publicKey: csr.publicKey, spiffeId, dnsNames });
    const linted = lint(tbs, {
      issuer,
      signatureAlgorithm: authority.algorithm,
      serial,
      replica: authorities.replica,
      notBefore,
      notAfter,
      spki: csr.publicKey.spki,
      spiffeId,
      trustDomain: authorities.trustDomain.name,
      idKind: order.idKind,
      dnsNames,
    });
    const intent = new Intent({
      kind: "svid.x509",
      serial,
      spiffeId,
      tbs: linted.bytes,
      spkiSha256: csr.publicKey.spkiSha256,
      authority: authority.spkiSha256,
      notBefore,
      notAfter,
      issuedAt: now,
      ...order.record,
      replacing,
    });
    return { intent, linted, lifetime };
  }

  async #sign(
    { intent: committed }: Extract<CommitResult, { kind: "committed" }>,
    linted: LintedTbs,
    authority: ActiveAuthority,
    order: Order,
    lifetime: Lifetime,
  ): Promise<IssuedX509Svid> {
    const { ledger, clock, settings, random, logger } = this.#options;
    const { logIndex } = committed;
    try {
      const signed = await signCommitted(committed, linted, authority, clock.now());
      ledger.reportOutcome({ logIndex, result: "signed", signature: signed.signature });
      this.#issued?.add(1);
      const { serial, issuedAt, lineage, rule } = committed.intent.fields;
      return {
        chain: [signed.certificate, ...authority.chain],
        spiffeId: order.spiffeId,
        serial: toHex(serial),
        notBefore: lifetime.notBefore,
        notAfter: lifetime.notAfter,
        renewAt: chooseRenewAt(issuedAt, lifetime.notAfter, settings.minTtlSeconds, random),
        logIndex,
        rule: rule?.name ?? "",
        lineage: lineage.kind === "none" ? "" : lineage.id,
        shortenedBy: lifetime.shortenedBy,
        repeated: false,
      };
    } catch (error) {
      ledger.reportOutcome({ logIndex, result: "failed" });
      logger.error(
        { event: "svid.unsigned", logIndex: logIndex.toString(), error },
        "a recorded certificate could not be signed",
      );
      throw error;
    }
  }

  #answerReplay(
    logIndex: bigint,
    { chain, record }: Extract<Replayed, { kind: "certificate" }>,
    order: Order,
  ): IssuedX509Svid {
    const { row } = record;
    if (row.spiffeId !== order.spiffeId.toString()) throw unsigned(logIndex, "it is for another identity");
    this.#replayed?.add(1);
    return {
      chain,
      spiffeId: order.spiffeId,
      serial: row.serial,
      notBefore: row.notBefore,
      notAfter: row.notAfter,
      renewAt: chooseRenewAt(row.issuedAt, row.notAfter, this.#options.settings.minTtlSeconds, this.#options.random),
      logIndex,
      rule: row.rule ?? "",
      lineage: row.lineage ?? "",
      shortenedBy: "",
      repeated: true,
    };
  }

  #templateOf(authority: ActiveAuthority): { readonly profile: LeafProfile; readonly issuer: LintIssuer } {
    const known = this.#templates.get(authority);
    if (known !== undefined) return known;
    const template = {
      profile: new LeafProfile(authority.certificate, authority.algorithm),
      issuer: readLintIssuer(authority.certificate.der),
    };
    this.#templates.set(authority, template);
    return template;
  }
}

/** Reads a CSR and takes from it the public key and the proof that the caller holds its private half. */
function readCsr(der: Uint8Array, granted: SpiffeId): Csr {
  const csr = parseCsr(der);
  requireAcceptableKey(csr);
  requireMatchingNames(csr, granted);
  verifyCsrSignature(csr);
  return csr;
}

function unsigned(logIndex: bigint, why: string): IssuanceError {
  return new IssuanceError(
    "MCA_REPLAY_UNSIGNED",
    `This key was recorded before (log index ${logIndex}), but no certificate can be shown for it: ${why}. Ask again with a new key.`,
    { details: { logIndex: `${logIndex}` } },
  );
}
