/** The addresses that the API gives: whole ones where the operator has said where it is reached, else paths. */

/** @param path with its slash in front, and a query if it has one */
export const toAddress = (path: string, publicUrl: string | undefined): string =>
  publicUrl === undefined ? path : `${publicUrl}${path}`;

/** Headers whose paths are addresses: `Location`, and the target of `Link`. */
export function withAddresses(
  headers: Record<string, string>,
  publicUrl: string | undefined,
): Record<string, string> {
  const { location, link } = headers;
  if (publicUrl === undefined || (location === undefined && link === undefined)) return headers;
  return {
    ...headers,
    ...(location !== undefined && { location: toAddress(location, publicUrl) }),
    ...(link !== undefined && { link: link.replace(/^<(?=\/)/, `<${publicUrl}`) }),
  };
}
