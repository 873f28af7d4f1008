/** A registry of packages on this machine, as npm and the API see one. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar";

export interface LocalRegistry {
  url: string;
  /** The paths that were asked for. */
  requests: string[];
  /** Takes a package's files, with a package.json made of what is given. */
  publish(
    name: string,
    files?: Record<string, string>,
    manifest?: Record<string, unknown>,
  ): Promise<Published>;
  /** Answers otherwise at a path. */
  answer(path: string, respond: (response: ServerResponse) => void): void;
  close(): Promise<void>;
}

export interface Published {
  /** As it stands in a lock file. */
  entry: { version: string; resolved: string; integrity: string };
  path: string;
}

export async function startLocalRegistry(): Promise<LocalRegistry> {
  const requests: string[] = [];
  const answers = new Map<string, (response: ServerResponse) => void>();
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "");
    requests.push(path);
    const respond = answers.get(path);
    if (respond) respond(response);
    else response.writeHead(404).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    requests,
    async publish(name, files = {}, manifest = {}) {
      const version = "1.0.0";
      const described = { name, version, ...manifest };
      const tarball = await packPackage({ "package.json": JSON.stringify(described), ...files });
      const path = `/${name}/-/${name.replace(/^.*\//, "")}-${version}.tgz`;
      const integrity = integrityOf(tarball);
      const dist = { tarball: url + path, integrity };
      const versions = { [version]: { ...described, dist } };
      const packument = JSON.stringify({ name, "dist-tags": { latest: version }, versions });
      answers.set(path, (response) => response.end(tarball));
      answers.set(`/${name}`, (response) =>
        response.setHeader("content-type", "application/json").end(packument),
      );
      return { path, entry: { version, resolved: url + path, integrity } };
    },
    answer: (path, respond) => answers.set(path, respond),
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

export async function packPackage(files: Record<string, string>): Promise<Buffer> {
  const entries = Object.entries(files).map(([name, body]) => {
    const header = { name: `package/${name}`, size: Buffer.byteLength(body), mtime: new Date(0) };
    return { header, body };
  });
  return gzipSync(await packTar(entries));
}

export const integrityOf = (bytes: Uint8Array, algorithm = "sha512"): string =>
  `${algorithm}-${createHash(algorithm).update(bytes).digest("base64")}`;

/** A package.json and its lock file, as npm would write it. */
export function lockOf(
  dependencies: Record<string, string>,
  packages: Record<string, unknown>,
): { "package.json": string; "package-lock.json": string } {
  const lock = { lockfileVersion: 3, requires: true, packages: { "": { dependencies }, ...packages } };
  return {
    "package.json": JSON.stringify({ name: "mine", dependencies }),
    "package-lock.json": JSON.stringify(lock),
  };
}
