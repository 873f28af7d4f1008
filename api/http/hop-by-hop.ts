/** Headers of one connection only (RFC 9110, 7.6.1): they are not passed on. */
const HOP_BY_HOP = new Set([
  "connection",
  "expect",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Whether the header `name` (lower case) is passed on; `connection` is the value of that header, which names more. */
export function isPassedOn(name: string, connection: string | null): boolean {
  if (HOP_BY_HOP.has(name)) return false;
  if (connection === null || connection === "keep-alive" || connection === "close") return true;
  return !connection.split(",").some((named) => named.trim().toLowerCase() === name);
}
