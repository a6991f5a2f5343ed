// Networks that callers come from. An IPv4 address that is written as IPv6 (::ffff:192.0.2.1) is the IPv4 address; apart from that
// the two families never meet: 0.0.0.0/0 holds no IPv6 address, ::/0 no IPv4 address.
import { isIPv4, isIPv6 } from "node:net";
import type { Matcher, Refuse } from "./matcher.ts";

/** 4 or 16 bytes. */
export type Address = readonly number[];

interface Network {
  readonly address: Address;
  readonly bits: number;
}

/** The bytes of an address; undefined: it is none. A zone (`%eth0`) is left out. */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return ipv4Bytes(text);
  const zone = text.indexOf("%");
  const plain = zone === -1 ? text : text.slice(0, zone);
  if (!isIPv6(plain)) return undefined;
  const bytes = ipv6Bytes(plain);
  return isMapped(bytes) ? bytes.slice(12) : bytes;
}

/** Reads `10.0.0.0/8`, `2001:db8::/32` or a single address. */
export function parseCidrs(values: readonly string[], refuse: Refuse): Matcher<Address> {
  const networks = values.map((value, index) => parseCidr(value, (sentence) => refuse(index, sentence)));
  return { matches: (address) => networks.some((network) => contains(network, address)) };
}

function parseCidr(text: string, refuse: (sentence: string) => never): Network {
  const slash = text.indexOf("/");
  const written = slash === -1 ? text : text.slice(0, slash);
  if (!isIPv4(written) && (!isIPv6(written) || written.includes("%"))) {
    return refuse("It is no address and no network. Write 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7.");
  }
  const address = isIPv4(written) ? ipv4Bytes(written) : ipv6Bytes(written);
  if (isMapped(address)) return refuse("Write an IPv4 network as such (192.0.2.0/24), not as IPv6.");
  const length = address.length * 8;
  const bits = slash === -1 ? length : prefixLength(text.slice(slash + 1), length);
  if (bits === undefined) return refuse(`The length of the network is a whole number from 0 to ${length}.`);
  if (address.some((byte, index) => (byte & ~maskByte(bits, index)) !== 0)) {
    return refuse("Bits are set behind the network's length. Write the network's first address, or a longer length.");
  }
  return { address, bits };
}

function prefixLength(text: string, max: number): number | undefined {
  if (!/^(?:0|[1-9]\d*)$/.test(text)) return undefined;
  const bits = Number(text);
  return bits <= max ? bits : undefined;
}

function contains(network: Network, address: Address): boolean {
  if (address.length !== network.address.length) return false;
  for (let index = 0; index * 8 < network.bits; index++) {
    const difference = (network.address[index] ?? 0) ^ (address[index] ?? 0);
    if ((difference & maskByte(network.bits, index)) !== 0) return false;
  }
  return true;
}

/** The mask of the byte at `index` in a network of so many bits. */
function maskByte(bits: number, index: number): number {
  const inByte = Math.min(8, Math.max(0, bits - index * 8));
  return (0xff00 >> inByte) & 0xff;
}

function isMapped(address: Address): boolean {
  return (
    address.length === 16 &&
    address[10] === 0xff &&
    address[11] === 0xff &&
    address.slice(0, 10).every((byte) => byte === 0)
  );
}

function ipv4Bytes(text: string): Address {
  return text.split(".").map(Number);
}

function ipv6Bytes(text: string): Address {
  // The last four bytes may be written as IPv4.
  const colon = text.lastIndexOf(":");
  const tail = text.slice(colon + 1);
  const [a = 0, b = 0, c = 0, d = 0] = tail.includes(".") ? ipv4Bytes(tail) : [];
  const plain = tail.includes(".")
    ? `${text.slice(0, colon + 1)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
    : text;
  const [head = "", rest] = plain.split("::");
  const before = groups(head);
  const after = groups(rest ?? "");
  const zeros = new Array<number>(Math.max(0, 8 - before.length - after.length)).fill(0);
  return [...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff]);
}

function groups(text: string): readonly number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}
