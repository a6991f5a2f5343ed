// Strict base64 and base64url (RFC 4648): one text for one sequence of bytes, nothing skipped, nothing repaired.

/** Decodes padded base64; undefined unless the text is exactly what encoding the result gives. */
export function decodeBase64(text: string): Uint8Array | undefined {
  return decode(text, "base64");
}

/** Decodes base64url without padding; undefined unless the text is exactly what encoding the result gives. */
export function decodeBase64Url(text: string): Uint8Array | undefined {
  return decode(text, "base64url");
}

export function encodeBase64(bytes: Uint8Array): string {
  return view(bytes).toString("base64");
}

export function encodeBase64Url(bytes: Uint8Array): string {
  return view(bytes).toString("base64url");
}

function decode(text: string, encoding: "base64" | "base64url"): Uint8Array | undefined {
  const bytes = Buffer.from(text, encoding);
  return bytes.toString(encoding) === text ? new Uint8Array(bytes) : undefined;
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
