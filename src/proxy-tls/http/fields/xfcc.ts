// x-forwarded-client-cert as Envoy writes it: `Key=Value` pairs joined by `;`. We write one element, about the caller that we verified
// ourselves; what came from outside is gone before. The texts come from parsed DER, never from anything printed.
import type { ProxyPeer } from "../../identity/peer.ts";

const SPACE = 0x20;
const DELETE = 0x7f;
const BACKSLASH = 0x5c;

/**
 * The element for a caller: By, Hash, URI. Made once for each connection and identity of ours.
 * @param ownId our SPIFFE ID, at whose door the caller is
 * @param leftOut called for each pair that cannot be written so that every reader reads the same
 */
export function xfccElement(ownId: string, peer: ProxyPeer, leftOut: () => void): string {
  return writeElement(
    [
      ["By", ownId],
      ["Hash", peer.certificateSha256],
      ["URI", peer.idText],
    ],
    leftOut,
  );
}

/** Writes one element. A pair whose value cannot be written safely is left out. */
export function writeElement(
  pairs: readonly (readonly [key: "By" | "Hash" | "URI", value: string])[],
  leftOut: () => void,
): string {
  let element = "";
  for (const [key, value] of pairs) {
    if (!isWritable(value)) leftOut();
    else element += `${element === "" ? "" : ";"}${key}=${quoted(value)}`;
  }
  return element;
}

/** Printable ASCII without `\`: readers differ about what a backslash in front of anything but a quote means. */
function isWritable(value: string): boolean {
  for (let index = 0; index < value.length; index += 1) {
    const code = value.charCodeAt(index);
    if (code < SPACE || code >= DELETE || code === BACKSLASH) return false;
  }
  return value !== "";
}

function quoted(value: string): string {
  let quote = false;
  for (const character of ',;="') quote ||= value.includes(character);
  return quote ? `"${value.replaceAll('"', '\\"')}"` : value;
}
