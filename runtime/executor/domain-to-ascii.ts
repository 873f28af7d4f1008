import { domainToASCII } from "node:url";

/** Valid in domains since revision 33 of UTS #46, which `domainToASCII` does not follow and the URL parser does. */
const SINCE_REVISION_33 = /[≠≮≯]/;
const DELIMITERS = /[\0-\x20/\\?#@:%<>^|[\]]/;

/** UTS #46 as the URL standard asks for it; "" where the domain is none. */
export function domainToAscii(domain: string): string {
  const ascii = domainToASCII(domain);
  if (ascii !== "" || !SINCE_REVISION_33.test(domain) || DELIMITERS.test(domain)) return ascii;
  return URL.parse(`https://${domain}`)?.hostname ?? "";
}
