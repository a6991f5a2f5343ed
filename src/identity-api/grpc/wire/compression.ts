// Compressed requests (gRPC compression). Answers are never compressed: beside secrets of others, their size would tell. What a message becomes is
// bounded like one that came uncompressed.
import { gunzipSync, inflateSync } from "node:zlib";
import { ApiError } from "../../api-error.ts";
import { messageTooLarge, unreadableFrame, type WireMessage } from "./message-reader.ts";

/** For grpc-accept-encoding. */
export const ENCODINGS = "identity,deflate,gzip";

/**
 * The message itself.
 * @param encoding value of grpc-encoding; undefined: there was none
 * @throws ApiError MCA_ENCODING_UNSUPPORTED, MCA_MESSAGE_TOO_LARGE, MCA_REQUEST_INVALID
 */
export function decompress(message: WireMessage, encoding: string | undefined, maxMessageBytes: number): Buffer {
  if (!message.compressed) return message.bytes;
  const inflate = inflaterOf(encoding);
  try {
    return inflate(message.bytes, { maxOutputLength: maxMessageBytes });
  } catch (error) {
    if (error instanceof RangeError && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE") {
      throw messageTooLarge(maxMessageBytes);
    }
    throw unreadableFrame(`it is not ${encoding}`);
  }
}

function inflaterOf(encoding: string | undefined): typeof gunzipSync {
  switch (encoding) {
    case "gzip":
      return gunzipSync;
    case "deflate":
      return inflateSync;
    case undefined:
    case "identity":
      throw unreadableFrame("it is compressed without saying how");
    default:
      throw new ApiError(
        "MCA_ENCODING_UNSUPPORTED",
        "The message is compressed in a way that this server does not know. Send it with gzip, deflate or uncompressed.",
      );
  }
}
