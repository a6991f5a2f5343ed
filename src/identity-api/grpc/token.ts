// TokenService: join tokens. The secret leaves the server once, in the answer to CreateJoinToken, and is never logged.
import {
  type JoinTokenInfo as JoinTokenMessage,
  TokenServiceService,
} from "../../proto/gen/meshca/identity/v1/admin.ts";
import type { JoinTokenInfo } from "../attest/index.ts";
import { type Acting, requireParts } from "../parts.ts";
import type { AccessGate } from "./access-gate.ts";
import type { Calls } from "./calls.ts";
import { grantMessage, timeField } from "./convert.ts";
import type { MethodsOf } from "./definition.ts";

export interface TokenServiceOptions {
  readonly calls: Calls;
  readonly gate: AccessGate;
  readonly acting: Acting;
}

export function tokenService({ calls, gate, acting }: TokenServiceOptions): MethodsOf<typeof TokenServiceService> {
  const path = TokenServiceService;
  return {
    createJoinToken: calls.unary(path.createJoinToken, async (request, call) => {
      const caller = await gate.admit(call);
      const created = await requireParts(acting).tokens.create(
        {
          attributes: new Map(Object.entries(request.attributes)),
          ttlSeconds: request.ttlSeconds,
          server: request.server,
        },
        { requester: call.connection.peerName, roles: caller.roles, local: caller.verdict.kind === "local" },
      );
      return {
        token: created.token,
        tokenId: created.id,
        expiresAt: timeField(created.expiresAt),
        shortenedBy: created.shortenedBy,
        grant: created.grant === undefined ? undefined : grantMessage(created.grant),
      };
    }),
    listJoinTokens: calls.unary(path.listJoinTokens, async (request, call) => {
      await gate.admit(call);
      const page = await requireParts(acting).tokens.list(request);
      return { tokens: page.tokens.map(tokenMessage), nextCursor: page.nextCursor };
    }),
    voidJoinToken: calls.unary(path.voidJoinToken, async (request, call) => {
      await gate.admit(call);
      await requireParts(acting).tokens.void(request.tokenId, call.connection.peerName);
      return {};
    }),
  };
}

function tokenMessage(token: JoinTokenInfo): JoinTokenMessage {
  return {
    tokenId: token.id,
    attributes: Object.fromEntries(token.attributes),
    createdAt: timeField(token.createdAt),
    expiresAt: timeField(token.expiresAt),
    redeemedAt: timeField(token.redeemedAt),
    voidedAt: timeField(token.voidedAt),
    createdBy: token.createdBy,
    lineage: token.lineage ?? "",
  };
}
