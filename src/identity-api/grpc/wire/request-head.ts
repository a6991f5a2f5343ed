// A request's head (gRPC over HTTP/2, "Requests"), as far as the protocol needs it.
import type { FieldList } from "../../../http2/index.ts";

export interface GrpcHead {
  readonly method: string;
  readonly path: string;
  /** It says that it is gRPC. */
  readonly isGrpc: boolean;
  /** Value of grpc-timeout. */
  readonly timeout: string | undefined;
  /** Value of grpc-encoding. */
  readonly encoding: string | undefined;
}

const TIMEOUT = /^(\d{1,8})([HMSmun])$/;
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 };
const CONTENT_TYPE = /^application\/grpc(?:[+;]|$)/;

/** @param fields well formed, as src/http2 tells them */
export function readGrpcHead(fields: FieldList): GrpcHead {
  let method = "";
  let path = "";
  let contentType = "";
  let timeout: string | undefined;
  let encoding: string | undefined;
  for (let index = 0; index < fields.length; index += 2) {
    const value = fields[index + 1] ?? "";
    switch (fields[index]) {
      case ":method":
        method = value;
        break;
      case ":path":
        path = value;
        break;
      case "content-type":
        contentType = value;
        break;
      case "grpc-timeout":
        timeout = value;
        break;
      case "grpc-encoding":
        encoding = value;
        break;
    }
  }
  const isGrpc = contentType === "application/grpc" || CONTENT_TYPE.test(contentType);
  return { method, path, isGrpc, timeout, encoding };
}

/** The value of a header that came exactly once. */
export function headerOf(fields: FieldList, name: string): string | undefined {
  let found: string | undefined;
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index] !== name) continue;
    if (found !== undefined) return undefined;
    found = fields[index + 1];
  }
  return found;
}

/** Milliseconds that a value of grpc-timeout says; undefined: it says nothing of the kind. */
export function parseTimeout(value: string): number | undefined {
  const [, digits, unit] = TIMEOUT.exec(value) ?? [];
  return digits === undefined || unit === undefined ? undefined : Number(digits) * (UNIT_MS[unit] ?? 0);
}
