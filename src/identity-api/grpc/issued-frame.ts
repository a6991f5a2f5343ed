// The answer to IssueX509Svid as one gRPC frame. What is the same in all answers, the trust, comes encoded.
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { IssueX509SvidResponse } from "../../proto/gen/meshca/identity/v1/identity.ts";
import { frameOf } from "./wire/message-reader.ts";

/** Tag of IssueX509SvidResponse.trust: field 7, length-delimited. Fields may come in any order (Protocol Buffers encoding). */
const TRUST_TAG = (7 << 3) | 2;

/** One for all answers: it keeps the memory it writes into. */
let writer = new BinaryWriter();

/** The whole gRPC frame of an answer. `trust`: IssueX509SvidResponse.trust, encoded. Throws a TypeError for what the message cannot hold. */
export function issuedFrame(response: IssueX509SvidResponse, trust: Uint8Array): Buffer {
  let own: Uint8Array;
  try {
    own = IssueX509SvidResponse.encode(response, writer).uint32(TRUST_TAG).uint32(trust.length).finish();
  } catch (error) {
    writer = new BinaryWriter(); // the old one still holds a part of this answer
    throw error;
  }
  const { frame, message } = frameOf(own.length + trust.length);
  message.set(own);
  message.set(trust, own.length);
  return frame;
}
