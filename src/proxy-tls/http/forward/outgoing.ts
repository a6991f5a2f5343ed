// Stands in until the fields that are written have their own place in fields/.
import { type RandomSource, randomUuid } from "../../../runtime/index.ts";
import type { ProxyPeer } from "../../identity/peer.ts";
import type { FieldList, RequestHead, ResponseHead } from "../exchange.ts";
export interface OutgoingRequest {
  readonly head: RequestHead;
  readonly requestId: string;
  readonly traceId: string | undefined;
}
export function outgoingRequest(
  head: RequestHead,
  via: string,
  clientCert: string | undefined,
  random: RandomSource,
): OutgoingRequest {
  const fields = [...head.fields];
  if (clientCert !== undefined) fields.push("x-forwarded-client-cert", clientCert);
  const requestId = randomUuid(random);
  fields.push("x-request-id", requestId, "via", `1.1 ${via}`);
  return { head: { ...head, fields }, requestId, traceId: undefined };
}
export function outgoingResponseFields(head: ResponseHead, _via: string): FieldList {
  return head.fields;
}
export function forwardedClientCert(peer: ProxyPeer, ownId: string, _count: unknown): string {
  return `By=${ownId};Hash=${peer.certificateSha256};URI=${peer.idText}`;
}
