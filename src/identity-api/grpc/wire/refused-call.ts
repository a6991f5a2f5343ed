// A request that is for no method: answered by its head alone.
import type { FieldList, Http2Stream } from "../../../http2/index.ts";
import { readGrpcHead } from "./request-head.ts";
import { type CallHost, ServerCall } from "./server-call.ts";

/** Stands for the method's name where no such method is known: what the caller wrote must not become a label of a metric. */
export const UNKNOWN_METHOD = "unknown";
const NO_FIELDS: FieldList = [];

export class RefusedCall extends ServerCall {
  constructor(host: CallHost, stream: Http2Stream) {
    super(host, stream, UNKNOWN_METHOD, readGrpcHead(NO_FIELDS), NO_FIELDS);
  }

  protected override take(): void {}

  protected override wholeCame(): void {}

  protected override closed(): void {}
}
