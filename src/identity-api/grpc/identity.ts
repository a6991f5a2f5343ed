// IdentityService: identities and what they may be trusted by.
import {
  type ExplainIdentityRequest,
  type ExplainIdentityResponse,
  IdentityServiceService,
  type IssueX509SvidRequest,
  type IssueX509SvidResponse,
} from "../../proto/gen/meshca/identity/v1/identity.ts";
import { ApiError } from "../api-error.ts";
import { attributeValueProblem, MAX_ATTRIBUTES } from "../attest/index.ts";
import { type Acting, type ActingParts, requireParts } from "../parts.ts";
import { type Attributes, visibleVerdicts } from "../registry/index.ts";
import type { Evidence } from "../svid-issuance.ts";
import type { AccessGate } from "./access-gate.ts";
import type { Call, Calls } from "./calls.ts";
import { grantMessage, timeField } from "./convert.ts";
import type { MethodsOf } from "./definition.ts";
import { issuedFrame } from "./issued-frame.ts";
import type { TrustFeed } from "./trust-feed.ts";
import { frameOfWatchResponse, type TrustWatchers } from "./trust-watchers.ts";

export interface IdentityServiceOptions {
  readonly calls: Calls;
  readonly gate: AccessGate;
  readonly acting: Acting;
  readonly feed: TrustFeed;
  readonly watchers: TrustWatchers;
  readonly trustDomain: string;
}

export function identityService(options: IdentityServiceOptions): MethodsOf<typeof IdentityServiceService> {
  const { calls, gate, acting, feed, watchers } = options;
  const path = IdentityServiceService;
  return {
    // What is the same in all answers is encoded once.
    issueX509Svid: calls.unary(
      path.issueX509Svid,
      (request, call) => issue(options, request, call),
      (response) => issuedFrame(response, feed.current.encoded),
    ),
    watchTrust: calls.stream(
      path.watchTrust,
      async (request, call, stream) => {
        gate.admitOpen(call);
        requireOwnTrustDomain(request.trustDomain, options.trustDomain);
        await watchers.serve(stream, call.connection);
      },
      frameOfWatchResponse,
    ),
    acknowledgeTrust: calls.unary(path.acknowledgeTrust, async ({ revision }, call) => {
      gate.admitOpen(call);
      watchers.acknowledge(call.connection, revision);
      return {};
    }),
    explainIdentity: calls.unary(path.explainIdentity, async (request, call) =>
      explain(requireParts(acting), gate, request, call),
    ),
  };
}

/** Everything of the answer but the trust. */
async function issue(
  { gate, acting }: IdentityServiceOptions,
  request: IssueX509SvidRequest,
  call: Call,
): Promise<IssueX509SvidResponse> {
  gate.admitOpen(call);
  const issued = await requireParts(acting).issuance.issue({
    csrDer: request.csr,
    evidence: evidenceOf(request.evidence),
    ttlSeconds: request.ttlSeconds,
    connection: call.connection,
    requestId: call.requestId,
    cancelled: () => call.cancelled(),
  });
  return {
    certificateChain: [...issued.chain],
    spiffeId: issued.spiffeId.toString(),
    notAfter: timeField(issued.notAfter),
    renewAt: timeField(issued.renewAt),
    serial: issued.serial,
    logIndex: issued.logIndex,
    trust: undefined,
    rule: issued.rule,
    shortenedBy: issued.shortenedBy,
    lineage: issued.lineage,
  };
}

function evidenceOf(evidence: IssueX509SvidRequest["evidence"]): Evidence {
  switch (evidence?.$case) {
    case "joinToken":
      return { kind: "join-token", text: evidence.value };
    case "jwt":
      return { kind: "jwt", ...evidence.value };
    case "tlsCertificate":
    case undefined:
      return { kind: "certificate" };
  }
}

function requireOwnTrustDomain(asked: string, own: string): void {
  if (asked === "" || asked === own) return;
  throw new ApiError(
    "MCA_TRUST_DOMAIN_UNKNOWN",
    `This server knows the trust domain ${own} and no other. Ask a server of the trust domain you mean.`,
    {
      details: { trustDomain: own },
    },
  );
}

async function explain(
  parts: ActingParts,
  gate: AccessGate,
  request: ExplainIdentityRequest,
  call: Call,
): Promise<ExplainIdentityResponse> {
  const asked = Object.entries(request.attributes);
  requireBounded(asked);
  if (asked.length > 0 && request.evidence !== undefined) {
    throw new ApiError("MCA_REQUEST_INVALID", "Attributes and evidence were given together. Give one of them.");
  }
  if (asked.length > 0) await gate.admit(call, "attributes");
  else gate.admitOpen(call);
  const attributes = asked.length > 0 ? new Map(asked) : await ownAttributes(parts, request, call);
  const evaluation = parts.registry.rules().evaluate(attributes, request.ttlSeconds);
  const seesAll = asked.length > 0 || (await gate.may(call, "attributes"));
  return {
    attributes: Object.fromEntries(attributes),
    rules: visibleVerdicts(evaluation.verdicts, seesAll).map((verdict) => ({ ...verdict })),
    grant: evaluation.grant === undefined ? undefined : grantMessage(evaluation.grant),
  };
}

/** Every rule's reason may repeat a value, so that nothing is explained that no attestor could establish. */
function requireBounded(attributes: readonly (readonly [string, string])[]): void {
  if (attributes.length > MAX_ATTRIBUTES) {
    throw new ApiError("MCA_REQUEST_INVALID", `More than ${MAX_ATTRIBUTES} attributes were given. Give fewer.`);
  }
  for (const [, value] of attributes) {
    const problem = attributeValueProblem(value);
    if (problem !== undefined) throw new ApiError("MCA_REQUEST_INVALID", `The value of an attribute ${problem}.`);
  }
}

/** What the caller's own evidence establishes; for an SVID what was established when its lineage was opened. */
async function ownAttributes(parts: ActingParts, request: ExplainIdentityRequest, call: Call): Promise<Attributes> {
  if (request.evidence?.$case === "jwt") return (await parts.attestors.jwt(request.evidence.value)).attributes;
  const { connection } = call;
  if (connection.presented !== undefined)
    return (await parts.issuance.lineageOf(connection, connection.presented)).attributes;
  return parts.attestors.x509(connection.verdict).attributes;
}
