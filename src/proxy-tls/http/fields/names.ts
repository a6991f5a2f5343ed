// Names of fields that only the proxy may say, and how other programs read names. CGI, WSGI and their heirs turn `X.Forwarded_For` into
// the same variable as `X-Forwarded-For`: fold() finds such twins.

const PROTECTED_NAMES: ReadonlySet<string> = new Set([
  ...["x-forwarded-client-cert", "client-cert", "client-cert-chain", "forwarded", "x-real-ip"],
]);
const PROTECTED_PREFIXES = ["x-ssl-client-", "x-client-", "x-forwarded-", "x-envoy-", "l5d-"] as const;

const DASH = 0x2d;

/** Lower case, and every character that is neither a letter of ASCII nor a digit becomes `-`. */
export function fold(name: string): string {
  let folded = "";
  for (let index = 0; index < name.length; index += 1) {
    const code = name.charCodeAt(index);
    if (isLowerAlphanumeric(code)) folded += String.fromCharCode(code);
    else if (code >= 0x41 && code <= 0x5a) folded += String.fromCharCode(code + 0x20);
    else folded += "-";
  }
  return folded;
}

/** Whether fold() leaves `name` as it is. */
export function isFolded(name: string): boolean {
  for (let index = 0; index < name.length; index += 1) {
    const code = name.charCodeAt(index);
    if (code !== DASH && !isLowerAlphanumeric(code)) return false;
  }
  return true;
}

/** Whether only the proxy may say `name` (lower case): what comes from outside is removed, in both directions. */
export function isProtected(name: string): boolean {
  if (PROTECTED_NAMES.has(name)) return true;
  for (const prefix of PROTECTED_PREFIXES) {
    if (name.startsWith(prefix)) return true;
  }
  return false;
}

function isLowerAlphanumeric(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39);
}
