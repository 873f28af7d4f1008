/**
 * kustomize: the one on the PATH if it is of the same major version, else a pinned release, built once with Go into the
 * ignored folder `.cache/tools` (some 40 seconds).
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { findOnPath } from "./path.ts";

const run = promisify(execFile);
const VERSION = "v5.7.1";
const PACKAGE = `sigs.k8s.io/kustomize/kustomize/v5@${VERSION}`;
const CACHE = join(import.meta.dirname, "..", "..", ".cache", "tools");
const BUILT = join(CACHE, `kustomize-${VERSION}`);
const BUILD_TIMEOUT_MS = 300_000;
const OUTPUT_BYTES = 16 * 1024 * 1024;

export interface Kustomize {
  /** What `kustomize build` prints for the folder. Rejects with its complaint. */
  build(folder: string): Promise<string>;
}

/** Where it cannot be had: why, in one line. With BELLHOP_TEST_STRICT=1 it rejects instead. */
export async function provideKustomize(): Promise<Kustomize | { skip: string }> {
  try {
    const program = (await findFitting()) ?? (await buildOnce());
    return {
      async build(folder) {
        const { stdout } = await run(program, ["build", folder], { maxBuffer: OUTPUT_BYTES });
        return stdout;
      },
    };
  } catch (error) {
    const skip = `kustomize cannot be had: ${(error as Error).message.split("\n")[0]}`;
    if (process.env["BELLHOP_TEST_STRICT"] === "1") throw new Error(skip, { cause: error });
    return { skip };
  }
}

async function findFitting(): Promise<string | undefined> {
  const program = findOnPath("kustomize");
  if (!program) return undefined;
  const { stdout } = await run(program, ["version"]);
  return /\bv5\./.test(stdout) ? program : undefined;
}

/** Two at once build twice, and one of them wins. */
async function buildOnce(): Promise<string> {
  if (existsSync(BUILT)) return BUILT;
  const go = findOnPath("go");
  if (!go) throw new Error("there is neither kustomize 5 nor go on the PATH");
  const part = join(CACHE, `part-${randomBytes(6).toString("hex")}`);
  await mkdir(part, { recursive: true });
  try {
    const env = { ...process.env, GOBIN: part };
    await run(go, ["install", PACKAGE], { env, timeout: BUILD_TIMEOUT_MS, maxBuffer: OUTPUT_BYTES });
    await rename(join(part, "kustomize"), BUILT);
  } catch (error) {
    if (!existsSync(BUILT)) throw error;
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  return BUILT;
}
