// What makes a message malformed (RFC 9113 section 8): its pseudo-fields, and fields that belong to a connection. Characters of names and
// values were looked at by the decoder. What a head means is not judged here.

const COLON = 0x3a;

// Bits of the pseudo-fields of a request that were seen.
const METHOD = 1;
const SCHEME = 2;
const PATH = 4;
const AUTHORITY = 8;

/** @returns what is wrong with a request's head, in plain words; undefined: nothing */
export function requestFault(fields: readonly string[]): string | undefined {
  let seen = 0;
  let connect = false;
  let index = 0;
  for (; index < fields.length; index += 2) {
    const name = fields[index] ?? "";
    if (name.charCodeAt(0) !== COLON) break;
    const bit = pseudoField(name);
    if (bit === 0) return "a pseudo-field that requests do not have";
    if ((seen & bit) !== 0) return "a pseudo-field twice";
    seen |= bit;
    if (bit === METHOD) connect = fields[index + 1] === "CONNECT";
    else if (bit === PATH && fields[index + 1] === "") return "an empty :path";
  }
  // CONNECT has an authority, and neither scheme nor path (section 8.5).
  if (connect ? seen !== (METHOD | AUTHORITY) : (seen & (METHOD | SCHEME | PATH)) !== (METHOD | SCHEME | PATH)) {
    return "pseudo-fields are missing";
  }
  return fieldsFault(fields, index);
}

/** @returns what is wrong with the head of a response, interim ones included; undefined: nothing */
export function responseFault(fields: readonly string[]): string | undefined {
  if (fields[0] !== ":status") return "no :status";
  const status = fields[1] ?? "";
  if (status.length !== 3) return "a :status that is not three digits";
  for (let index = 0; index < 3; index += 1) {
    const digit = status.charCodeAt(index);
    if (digit < 0x30 || digit > 0x39) return "a :status that is not three digits";
  }
  // There is nothing to switch to (section 8.6).
  if (status === "101") return "a :status of 101";
  return fieldsFault(fields, 2);
}

/** @returns what is wrong with trailers; undefined: nothing */
export function trailersFault(fields: readonly string[]): string | undefined {
  return fieldsFault(fields, 0);
}

/** Whether a response's head is an interim one: it has no fault. */
export function isInterim(fields: readonly string[]): boolean {
  return (fields[1] ?? "").charCodeAt(0) === 0x31;
}

function pseudoField(name: string): number {
  switch (name) {
    case ":method":
      return METHOD;
    case ":scheme":
      return SCHEME;
    case ":path":
      return PATH;
    case ":authority":
      return AUTHORITY;
    default:
      return 0;
  }
}

/** Section 8.2.2. */
function fieldsFault(fields: readonly string[], start: number): string | undefined {
  for (let index = start; index < fields.length; index += 2) {
    const name = fields[index] ?? "";
    if (name.charCodeAt(0) === COLON) return "a pseudo-field behind other fields";
    // By length first: nearly every field is none of them.
    switch (name.length) {
      case 2:
        if (name === "te" && fields[index + 1] !== "trailers") return "te that is not trailers";
        break;
      case 7:
        if (name === "upgrade") return "a field of a connection: upgrade";
        break;
      case 10:
        if (name === "connection" || name === "keep-alive") return `a field of a connection: ${name}`;
        break;
      case 16:
        if (name === "proxy-connection") return "a field of a connection: proxy-connection";
        break;
      case 17:
        if (name === "transfer-encoding") return "a field of a connection: transfer-encoding";
        break;
    }
  }
  return undefined;
}
