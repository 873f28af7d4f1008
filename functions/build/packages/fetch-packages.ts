/**
 * Fetches the packages of a lock file from the operator's registry and unpacks them into memory, in the compiler's
 * process: no file of theirs ever lies on the disk, and no code of theirs is run.
 */
import { hasIntegrity } from "./integrity.ts";
import type { LockedPackage } from "./locked-packages.ts";
import { folderOfPackage } from "./package-paths.ts";
import { type UnpackBudget, unpackPackage } from "./unpack-package.ts";

export interface FetchLimits extends UnpackBudget {
  /** All tarballs, as they come. */
  packedBytes: number;
  /** For all of them together. */
  wallMs: number;
}

export const FETCH_LIMITS: FetchLimits = {
  packedBytes: 50_000_000,
  unpackedBytes: 100_000_000,
  files: 50_000,
  wallMs: 30_000,
};

const FETCHES_AT_ONCE = 8;

/** Something is wrong with what the lock file asks for. */
export class PackageFault extends Error {}
/** Nothing need be wrong with it. */
export class RegistryUnavailable extends Error {}

/** Path → contents of what a bundle may be made of, below `node_modules/`. */
export async function fetchPackages(
  packages: readonly LockedPackage[],
  limits: FetchLimits = FETCH_LIMITS,
): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  const locked = new Set(packages.map(({ path }) => path));
  const left = { ...limits };
  const settled = new AbortController();
  const signal = AbortSignal.any([settled.signal, AbortSignal.timeout(limits.wallMs)]);
  // Shared: each takes the next that nobody has taken.
  const waiting = packages.values();
  const takeTurns = async () => {
    for (const { path, url, integrity } of waiting) {
      const tarball = await fetchTarball(path, url, left, signal);
      // Before anything else reads it.
      if (!hasIntegrity(tarball, integrity))
        throw new PackageFault(`${path} is not what the lock file says: its hash is another`);
      const unpacked = await unpackPackage(tarball, left).catch((error: Error) => {
        throw new PackageFault(`${path} ${error.message}`);
      });
      for (const [name, bytes] of unpacked) {
        const file = `${path}/${name}`;
        // What a package brings along does not take the place of one that is locked by itself.
        if (folderOfPackage(file) === path || !locked.has(folderOfPackage(file))) files.set(file, bytes);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: FETCHES_AT_ONCE }, takeTurns));
    return files;
  } finally {
    settled.abort();
  }
}

async function fetchTarball(
  path: string,
  url: string,
  left: { packedBytes: number },
  signal: AbortSignal,
): Promise<Uint8Array> {
  const unavailable = (why: string) =>
    new RegistryUnavailable(`The registry of packages ${why} (${path}); try again.`);
  try {
    // A registry that sends callers on could send them anywhere.
    const response = await fetch(url, { signal, redirect: "manual", headers: { accept: "*/*" } });
    if (response.status >= 500 || response.status === 429) throw unavailable(`answers ${response.status}`);
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new PackageFault(`${path} is not to be had: the registry answers ${response.status}`);
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body ?? []) {
      left.packedBytes -= chunk.byteLength;
      if (left.packedBytes < 0)
        throw new PackageFault(`${path} is too much: the packages are too large to be fetched`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    if (error instanceof PackageFault || error instanceof RegistryUnavailable) throw error;
    throw unavailable(signal.aborted ? "takes too long" : `cannot be reached${codeOf(error)}`);
  }
}

/** As undici tells it: `ENOTFOUND`, `UNABLE_TO_VERIFY_LEAF_SIGNATURE`. */
function codeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
  return typeof code === "string" ? `, ${code}` : "";
}
