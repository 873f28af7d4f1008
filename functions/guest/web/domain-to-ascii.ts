/**
 * Takes the place of the package tr46 in the bundle: Unicode's tables stay in the host. Most domains need none of
 * them and do not cross.
 */
import { host } from "../host.ts";

const PLAIN = /^[a-zA-Z0-9._~!$&'()*+,;=-]*$/;
const HAS_PUNYCODE = /(?:^|\.)xn--/i;
const FORBIDDEN = /[\0-\x20"#%/:<>?@[\\\]^`{|}\x7f]/;
const MAX_DOMAIN_CHARS = 16_384;

/** Null where the domain is none. */
export function toASCII(domain: string): string | null {
  if (PLAIN.test(domain) && !HAS_PUNYCODE.test(domain)) return domain.toLowerCase();
  if (domain.length > MAX_DOMAIN_CHARS) return null;
  // Composed first: < and > may be a part of another character.
  const composed = domain.normalize("NFC");
  return FORBIDDEN.test(composed) ? null : host().domainToAscii(composed) || null;
}
