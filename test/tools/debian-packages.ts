/**
 * Debian's packages, unpacked into a folder of the ignored `.cache/tools`: no service is installed, and nothing else of
 * the machine is touched, but for apt's own lists where they are empty.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { findOnPath } from "./path.ts";

const run = promisify(execFile);
const TOOLS = join(import.meta.dirname, "..", "..", ".cache", "tools");
const FETCH_TIMEOUT_MS = 180_000;

export const canFetchPackages = () => Boolean(findOnPath("apt-get") && findOnPath("dpkg-deb"));

/** Where a package is or would be unpacked. */
export const packageFolder = (name: string) => join(TOOLS, `${name}-${process.arch}`);

/** The package, and the shared libraries it asks for by itself where `withLibraries`. Two at once fetch twice; one wins. */
export async function fetchPackage(name: string, { withLibraries = false } = {}): Promise<void> {
  const part = join(TOOLS, `part-${randomBytes(6).toString("hex")}`);
  await mkdir(join(part, "unpacked"), { recursive: true });
  try {
    // An image of a distribution comes without lists of packages.
    await download(part, name, withLibraries).catch(async () => {
      await run("apt-get", ["update"], { timeout: FETCH_TIMEOUT_MS });
      await download(part, name, withLibraries);
    });
    for (const file of (await readdir(part)).filter((each) => each.endsWith(".deb")))
      await run("dpkg-deb", ["-x", join(part, file), join(part, "unpacked")]);
    await rename(join(part, "unpacked"), packageFolder(name)).catch((error) => {
      if (!existsSync(packageFolder(name))) throw error;
    });
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

async function download(folder: string, name: string, withLibraries: boolean): Promise<void> {
  const names = withLibraries ? [name, ...(await listLibraries(name))] : [name];
  await run("apt-get", ["-q", "download", ...names], { cwd: folder, timeout: FETCH_TIMEOUT_MS });
}

/** Not the C library: the loader's own is the only one that fits. */
async function listLibraries(name: string): Promise<string[]> {
  const { stdout } = await run("apt-cache", ["depends", name]);
  const depended = [...stdout.matchAll(/^\s*Depends: (lib[\w.+-]+)$/gm)].map(([, library]) => library!);
  return depended.filter((library) => library !== "libc6");
}
