/**
 * The Compose specification's own library (compose-go), as a small program built once with Go into the ignored folder
 * `.cache/tools` (some seconds): it loads Compose files, refuses what the specification refuses, and tells the project.
 */
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const SOURCE = join(import.meta.dirname, "compose");
const CACHE = join(import.meta.dirname, "..", "..", ".cache", "tools");
const BUILD_TIMEOUT_MS = 300_000;
const OUTPUT_BYTES = 16 * 1024 * 1024;

export interface Healthcheck {
  test?: string[];
  disable?: boolean;
}

/** A service, by the specification's names; only what the tests read. */
export interface Service {
  image: string;
  build?: { context: string };
  pull_policy?: string;
  command: string[] | null;
  environment?: Record<string, string>;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: Healthcheck;
  restart?: string;
  ports?: { host_ip?: string; published: string; target: number }[];
  volumes?: { type: string; source: string; target: string; read_only?: boolean }[];
  read_only?: boolean;
  tmpfs?: string[];
  cap_drop?: string[];
  security_opt?: string[];
  /** `1m0s`. */
  stop_grace_period?: string;
  logging?: { options: Record<string, string> };
}

export interface Project {
  name: string;
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
}

export interface ComposeLoader {
  /**
   * Loads files of a folder, variables put in from `env` and the folder's .env. Rejects with the library's complaint.
   */
  load(folder: string, files: string[], env?: Record<string, string>): Promise<Project>;
}

/** Where it cannot be had: why, in one line. With BELLHOP_TEST_STRICT=1 it rejects instead. */
export async function provideComposeLoader(): Promise<ComposeLoader | { skip: string }> {
  try {
    const program = await buildOnce();
    return {
      async load(folder, files, env = {}) {
        const { stdout } = await run(program, files, { cwd: folder, env, maxBuffer: OUTPUT_BYTES });
        return JSON.parse(stdout) as Project;
      },
    };
  } catch (error) {
    const skip = `Compose files cannot be loaded: ${(error as Error).message.split("\n")[0]}`;
    if (process.env["BELLHOP_TEST_STRICT"] === "1") throw new Error(skip, { cause: error });
    return { skip };
  }
}

/** Other sources, another program. Two at once build twice, and one of them wins. */
async function buildOnce(): Promise<string> {
  const digest = createHash("sha256");
  for (const file of ["main.go", "go.mod", "go.sum"]) digest.update(readFileSync(join(SOURCE, file)));
  const built = join(CACHE, `compose-${digest.digest("hex").slice(0, 12)}`);
  if (existsSync(built)) return built;
  const part = `${built}.${randomBytes(6).toString("hex")}`;
  await mkdir(CACHE, { recursive: true });
  try {
    await run("go", ["build", "-C", SOURCE, "-o", part, "."], { timeout: BUILD_TIMEOUT_MS });
    await rename(part, built);
  } catch (error) {
    if (!existsSync(built)) throw error;
  } finally {
    await rm(part, { force: true });
  }
  return built;
}
