import type { NetworkInterfaceInfo } from "node:os";

const UNSPECIFIED = new Set(["0.0.0.0", "::", ""]);

/**
 * Where the API reaches a worker that listens on `host`: host:port. One that listens everywhere is reached at the
 * machine's first address that is not internal, IPv4 before IPv6.
 */
export function chooseWorkerAddress(
  host: string,
  port: number,
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>,
): string {
  if (!UNSPECIFIED.has(host)) return join(host, port);
  const outer = Object.values(interfaces).flatMap((all) => (all ?? []).filter(({ internal }) => !internal));
  const found = outer.find(({ family }) => family === "IPv4") ?? outer.find(({ scopeid }) => !scopeid);
  return join(found?.address ?? "127.0.0.1", port);
}

function join(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
