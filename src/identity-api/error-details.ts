// An error as gRPC trailers: `mca-code`, and `grpc-status-details-bin` with a google.rpc.Status that holds one
// google.rpc.ErrorInfo (https://google.aip.dev/193): domain "mesh-ca", reason = the code, metadata = the error's details.
// Everything is bounded, because many clients refuse a header list beyond 8 KiB and then see no error at all.
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { Metadata } from "@grpc/grpc-js";

const DOMAIN = "mesh-ca";
const ERROR_INFO_URL = "type.googleapis.com/google.rpc.ErrorInfo";
// Bytes of UTF-8. A sentence of 1,024 bytes takes at most 3 KiB as percent-encoded grpc-message, all else 4 KiB as base64.
const MAX_SENTENCE = 1024;
const MAX_DETAIL = 256;
const MAX_DETAILS = 1536;

interface ErrorFacts {
  readonly code: string;
  readonly grpc: number;
  readonly sentence: string;
  readonly details: Readonly<Record<string, string>>;
}

/** The sentence as it travels, and the trailers. */
export function errorMetadata(facts: ErrorFacts): { readonly details: string; readonly metadata: Metadata } {
  const sentence = shorten(facts.sentence, MAX_SENTENCE);
  const metadata = new Metadata();
  metadata.set("mca-code", facts.code);
  metadata.set("grpc-status-details-bin", Buffer.from(encodeStatus({ ...facts, sentence })));
  return { details: sentence, metadata };
}

/** google.rpc.Status {int32 code = 1; string message = 2; repeated Any details = 3}, Any {string type_url = 1; bytes value = 2}. */
function encodeStatus(facts: ErrorFacts): Uint8Array {
  const writer = new BinaryWriter();
  writer.uint32(8).int32(facts.grpc);
  writer.uint32(18).string(facts.sentence);
  writer.uint32(26).fork();
  writer.uint32(10).string(ERROR_INFO_URL);
  writer.uint32(18).bytes(encodeErrorInfo(facts));
  writer.join();
  return writer.finish();
}

/** google.rpc.ErrorInfo {string reason = 1; string domain = 2; map<string, string> metadata = 3}. */
function encodeErrorInfo(facts: ErrorFacts): Uint8Array {
  const writer = new BinaryWriter();
  writer.uint32(10).string(facts.code);
  writer.uint32(18).string(DOMAIN);
  let left = MAX_DETAILS;
  for (const [name, value] of Object.entries(facts.details)) {
    const entry = [shorten(name, MAX_DETAIL), shorten(value, MAX_DETAIL)] as const;
    left -= Buffer.byteLength(entry[0]) + Buffer.byteLength(entry[1]);
    if (left < 0) break;
    writer.uint32(26).fork();
    writer.uint32(10).string(entry[0]);
    writer.uint32(18).string(entry[1]);
    writer.join();
  }
  return writer.finish();
}

/** Well-formed, and at most `maxBytes` of UTF-8. */
function shorten(text: string, maxBytes: number): string {
  const wellFormed = text.slice(0, maxBytes + 1).toWellFormed();
  if (wellFormed.length === text.length && Buffer.byteLength(wellFormed) <= maxBytes) return wellFormed;
  const ellipsis = "…";
  const { read } = new TextEncoder().encodeInto(wellFormed, new Uint8Array(maxBytes - Buffer.byteLength(ellipsis)));
  return wellFormed.slice(0, read) + ellipsis;
}
