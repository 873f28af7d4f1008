/**
 * Which addresses Bellhop may call on somebody's behalf: public unicast, and what the operator allows besides and does not deny.
 * Everything else leads inside (loopback, private, link-local, cloud metadata) or around this check (NAT64, 6to4,
 * Teredo carry an IPv4 address of the caller's choice).
 */
import { isIP, isIPv4 } from "node:net";
import ipaddr from "ipaddr.js";
import { BellhopError } from "../errors.ts";
import { carriedIPv4 } from "./carried-ipv4.ts";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** An allowed network, as `parseNetworks` makes it. */
export interface Network {
  readonly address: Address;
  readonly prefixBits: number;
}

/** Where requests may go besides public addresses, and where they may not go at all: `deny` has the last word. */
export interface AddressRules {
  readonly allow: readonly Network[];
  readonly deny: readonly Network[];
}

/** For hosts that the operator chose: everywhere, but where `deny` says. */
export const operatorsRules = (deny: readonly Network[]) => ({ allow: EVERYWHERE, deny, hosts: null });

/** All of IPv6 that is handed out for global unicast; what lies outside is reserved or has a special meaning. */
const GLOBAL_UNICAST_V6 = ipaddr.IPv6.parseCIDR("2000::/3");
/** Public by its number, but answered by the cloud host the machine stands on. */
const HOST_SERVICES = new Set(["168.63.129.16"]);
const MAPPED_PREFIX_BITS = 96;
const EVERYWHERE: readonly Network[] = [
  { address: new ipaddr.IPv4([0, 0, 0, 0]), prefixBits: 0 },
  { address: ipaddr.IPv6.parse("::"), prefixBits: 0 },
];

/**
 * `"10.0.0.0/8, 127.0.0.1, ::1"`; empty text is no network. Throws `invalid_setting` naming the setting and the part that is
 * none.
 */
export function parseNetworks(text: string, setting = "EGRESS_ALLOW"): Network[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => parseNetwork(part, setting));
}

function parseNetwork(part: string, setting: string): Network {
  const [ip = "", bits, ...rest] = part.split("/");
  const family = isIP(ip);
  const maxBits = family === 4 ? 32 : 128;
  const prefixBits = bits === undefined ? maxBits : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
  if (family === 0 || rest.length > 0 || prefixBits < 0 || prefixBits > maxBits) {
    throw new BellhopError(
      "invalid_setting",
      500,
      `${setting} holds ${JSON.stringify(part)}, which is not an IP address or a network such as 10.0.0.0/8.`,
    );
  }
  const address = parseAddress(ip);
  if (isMapped(address) && prefixBits >= MAPPED_PREFIX_BITS) {
    return { address: address.toIPv4Address(), prefixBits: prefixBits - MAPPED_PREFIX_BITS };
  }
  return { address, prefixBits };
}

/** `ip` in its usual text form, without brackets. Whatever is no address is refused. */
export function isAddressAllowed(ip: string, { allow, deny }: AddressRules): boolean {
  if (isIP(ip) === 0) return false;
  const parsed = parseAddress(ip);
  const address = isMapped(parsed) ? parsed.toIPv4Address() : parsed;
  return (
    !isDenied(address, deny) && (isPublic(address) || allow.some((network) => isWithin(address, network)))
  );
}

/** An IPv4 address stays denied where an allowed IPv6 network carries it. */
function isDenied(address: Address, deny: readonly Network[]): boolean {
  const carried = isIPv6(address) ? carriedIPv4(address) : [];
  return [address, ...carried].some((each) => deny.some((network) => isWithin(each, network)));
}

/** ipaddr.js takes `::1.2.3.4` for a mapped address; in URL's spelling, which has no dots, the two stay apart. */
function parseAddress(ip: string): Address {
  if (isIPv4(ip)) return ipaddr.IPv4.parse(ip);
  const [withoutZone] = ip.split("%");
  return ipaddr.IPv6.parse(new URL(`http://[${withoutZone}]`).hostname.slice(1, -1));
}

function isMapped(address: Address): address is ipaddr.IPv6 {
  return isIPv6(address) && address.isIPv4MappedAddress();
}

function isIPv6(address: Address): address is ipaddr.IPv6 {
  return address.kind() === "ipv6";
}

function isPublic(address: Address): boolean {
  if (address.range() !== "unicast") return false;
  return address.kind() === "ipv4"
    ? !HOST_SERVICES.has(address.toString())
    : address.match(GLOBAL_UNICAST_V6);
}

function isWithin(address: Address, network: Network): boolean {
  return address.kind() === network.address.kind() && address.match(network.address, network.prefixBits);
}
