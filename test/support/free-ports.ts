/** Ports of loopback that nobody has, for programs that must be told one. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/** Different ones: all are held until all are known. Somebody else may take one before it is used. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}
