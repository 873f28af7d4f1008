/**
 * The IPv4 addresses that an IPv6 address carries for a translator or a tunnel to send on to. Only the
 * well-known prefixes are here: an address in an operator's own NAT64 prefix looks like any other.
 */
import ipaddr from "ipaddr.js";

interface Carrier {
  readonly prefix: [ipaddr.IPv6, number];
  readonly carried: (address: ipaddr.IPv6) => ipaddr.IPv4[];
}

/** Where the last 32 bits begin. */
const LAST_FOUR_BYTES = 12;

const CARRIERS: readonly Carrier[] = [
  // IPv4-compatible (RFC 4291), translated (RFC 2765), and NAT64 (RFC 6052, RFC 8215).
  ...["::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48"].map((network) => ({
    prefix: ipaddr.IPv6.parseCIDR(network),
    carried: (address: ipaddr.IPv6) => [readAt(address, LAST_FOUR_BYTES)],
  })),
  // 6to4 (RFC 3056).
  { prefix: ipaddr.IPv6.parseCIDR("2002::/16"), carried: (address) => [readAt(address, 2)] },
  // Teredo (RFC 4380): its server, and its client with every bit inverted.
  {
    prefix: ipaddr.IPv6.parseCIDR("2001::/32"),
    carried: (address) => [readAt(address, 4), invert(readAt(address, LAST_FOUR_BYTES))],
  },
];

/** Of `::` and `::1` there are none: they mean themselves. */
export function carriedIPv4(address: ipaddr.IPv6): ipaddr.IPv4[] {
  if (address.range() === "unspecified" || address.range() === "loopback") return [];
  return CARRIERS.filter(({ prefix }) => address.match(prefix)).flatMap(({ carried }) => carried(address));
}

function readAt(address: ipaddr.IPv6, firstByte: number): ipaddr.IPv4 {
  return new ipaddr.IPv4(address.toByteArray().slice(firstByte, firstByte + 4));
}

function invert(address: ipaddr.IPv4): ipaddr.IPv4 {
  return new ipaddr.IPv4(address.octets.map((octet) => 255 - octet));
}
