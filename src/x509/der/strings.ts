// The character string types of ASN.1 as JavaScript strings. Undecodable octets are "undefined", never a guess.
import { tag } from "./tags.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** ASCII octets as text; undefined where an octet is 0x80 or more. */
export function decodeAscii(contents: Uint8Array): string | undefined {
  for (const octet of contents) if (octet >= 0x80) return undefined;
  return Buffer.from(contents.buffer, contents.byteOffset, contents.byteLength).toString("latin1");
}

/** The text of a string type by its identifier octet; undefined for other types and for octets that the type does not allow. */
export function decodeString(identifier: number, contents: Uint8Array): string | undefined {
  switch (identifier) {
    case tag.utf8String:
      return decodeUtf8(contents);
    case tag.printableString:
    case tag.ia5String:
    case tag.visibleString:
      return decodeAscii(contents);
    case tag.teletexString:
      // In practice Latin-1, as OpenSSL reads it too.
      return Buffer.from(contents.buffer, contents.byteOffset, contents.byteLength).toString("latin1");
    case tag.bmpString:
      return decodeWide(contents, 2);
    case tag.universalString:
      return decodeWide(contents, 4);
    default:
      return undefined;
  }
}

function decodeUtf8(contents: Uint8Array): string | undefined {
  try {
    return utf8.decode(contents);
  } catch {
    return undefined; // fatal: true throws a TypeError for octets that are not UTF-8
  }
}

/** Big-endian code points of `width` octets each. */
function decodeWide(contents: Uint8Array, width: 2 | 4): string | undefined {
  if (contents.length % width !== 0) return undefined;
  let text = "";
  for (let at = 0; at < contents.length; at += width) {
    let point = 0;
    for (let i = 0; i < width; i++) point = point * 256 + (contents[at + i] ?? 0);
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return undefined;
    text += String.fromCodePoint(point);
  }
  return text;
}
