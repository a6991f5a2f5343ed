// By what a request is found in the logs of every hop: its x-request-id and its trace. What the caller said and the screen kept goes on;
// what is missing is begun here.
import type { RandomSource } from "../../../runtime/index.ts";
import type { FieldList } from "../exchange.ts";
import { fieldValue } from "./lists.ts";
import { newRequestId } from "./request-id.ts";
import { startTrace, traceIdOf } from "./traceparent.ts";

export interface Correlation {
  readonly requestId: string;
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** What the request lacks, to be added: x-request-id, traceparent. */
  readonly added: FieldList;
}

/** @param fields of a screened request */
export function correlate(fields: FieldList, random: RandomSource): Correlation {
  const added: string[] = [];
  let requestId = fieldValue(fields, "x-request-id");
  if (requestId === undefined) {
    requestId = newRequestId(random);
    added.push("x-request-id", requestId);
  }
  let trace = fieldValue(fields, "traceparent");
  if (trace === undefined) {
    trace = startTrace(random);
    added.push("traceparent", trace);
  }
  return { requestId, traceId: traceIdOf(trace), added };
}
