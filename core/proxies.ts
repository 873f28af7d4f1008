/** Proxies whose word is taken for where a request comes from. */
import { BlockList, isIP } from "node:net";

/** `"10.0.0.0/8, ::1"`; throws where a part is neither an address nor a network. */
export function parseProxies(text: string): BlockList {
  const proxies = new BlockList();
  for (const part of text.split(",").map((each) => each.trim())) {
    if (part === "") continue;
    const [ip = "", bits, ...rest] = part.split("/");
    const family = isIP(ip);
    const most = family === 4 ? 32 : 128;
    const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
    if (family === 0 || rest.length > 0 || prefix < 0 || prefix > most)
      throw new Error(
        `holds ${JSON.stringify(part)}, which is not an IP address or a network such as 10.0.0.0/8`,
      );
    proxies.addSubnet(ip, prefix, family === 4 ? "ipv4" : "ipv6");
  }
  return proxies;
}

/**
 * Where a request comes from: the peer, or, behind trusted proxies, the last in `X-Forwarded-For` who is none. What stands
 * before that one anybody may have written.
 */
export function findClientAddress(
  peer: string,
  forwardedFor: string | undefined,
  proxies: BlockList,
): string {
  const named = (forwardedFor ?? "").split(",").map((each) => withoutMapping(each.trim()));
  let address = withoutMapping(peer);
  while (isTrusted(address, proxies)) {
    const before = named.pop();
    if (before === undefined || isIP(before) === 0) break;
    address = before;
  }
  return address;
}

const isTrusted = (address: string, proxies: BlockList) =>
  isIP(address) !== 0 && proxies.check(address, isIP(address) === 4 ? "ipv4" : "ipv6");

/** IPv4 over a socket of both kinds. */
const withoutMapping = (address: string) => address.replace(/^::ffff:(?=\d+\.)/i, "");
