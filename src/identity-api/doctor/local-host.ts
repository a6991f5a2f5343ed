// By which address a listener of this machine is reached from this machine.

const ANY_ADDRESS: ReadonlyMap<string, string> = new Map([
  ["0.0.0.0", "127.0.0.1"],
  ["::", "::1"],
]);

/** The host of a listener, without brackets; one that means "all addresses" is reached by loopback. */
export function localHostOf(host: string): string {
  return ANY_ADDRESS.get(host) ?? host;
}
