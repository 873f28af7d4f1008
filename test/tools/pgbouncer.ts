/** PgBouncer: from PATH, else out of Debian's package, with the libraries that the machine may lack. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf } from "../../core/errors.ts";
import { canFetchPackages, fetchPackage, packageFolder } from "./debian-packages.ts";
import { findOnPath } from "./path.ts";

const run = promisify(execFile);
const FOLDER = packageFolder("pgbouncer");

export interface PgBouncerTool {
  file: string;
  env: Record<string, string>;
  /** 1.18, for one. */
  version: number;
}

/** Fetched once where it is missing; or why it cannot be had, in one line. */
export async function providePgBouncer(): Promise<PgBouncerTool | { skip: string }> {
  const installed = findOnPath("pgbouncer");
  if (installed) return await withVersion(installed, {});
  const file = join(FOLDER, "usr", "sbin", "pgbouncer");
  if (!existsSync(file) && !canFetchPackages())
    return { skip: "there is no pgbouncer on the PATH, and no apt-get to fetch it" };
  try {
    if (!existsSync(file)) await fetchPackage("pgbouncer", { withLibraries: true });
    return await withVersion(file, { LD_LIBRARY_PATH: await findLibraries() });
  } catch (error) {
    return { skip: `pgbouncer could not be fetched: ${messageOf(error).split("\n")[0]}` };
  }
}

async function withVersion(file: string, env: Record<string, string>): Promise<PgBouncerTool> {
  const { stdout } = await run(file, ["--version"], { env });
  return { file, env, version: Number(/\d+\.\d+/.exec(stdout)![0]) };
}

/** The folders of a machine's kind, such as x86_64-linux-gnu. */
async function findLibraries(): Promise<string> {
  const folders: string[] = [];
  for (const lib of [join(FOLDER, "usr", "lib"), join(FOLDER, "lib")]) {
    const kinds = await readdir(lib).catch(() => []);
    folders.push(...kinds.filter((kind) => kind.includes("linux")).map((kind) => join(lib, kind)));
  }
  return folders.join(":");
}
