/** Schemathesis, in a Python environment of its own in the ignored `.cache/tools`: what test/fuzz/requirements.txt pins. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf } from "../../core/errors.ts";
import { findOnPath } from "./path.ts";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "..", "..");
const REQUIREMENTS = join(ROOT, "test", "fuzz", "requirements.txt");
const INSTALL_TIMEOUT_MS = 300_000;

/** Where its command stands; installed once for each list of requirements. Throws with one line where it cannot be had. */
export async function provideSchemathesis(): Promise<string> {
  const pinned = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex").slice(0, 12);
  const folder = join(ROOT, ".cache", "tools", `schemathesis-${pinned}`);
  const installed = join(folder, "installed");
  if (!existsSync(installed)) {
    const python = findOnPath("python3");
    if (!python) throw new Error("The fuzzer needs python3, 3.11 or later, with venv and pip.");
    try {
      await install(python, folder);
    } catch (error) {
      throw new Error(`Schemathesis could not be installed: ${messageOf(error).trim().split("\n").at(-1)}`);
    }
    await writeFile(installed, "");
  }
  return join(folder, "bin", "schemathesis");
}

/** An environment knows its own path, so it is made where it stays; one that was left half made goes first. */
async function install(python: string, folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await run(python, ["-m", "venv", folder], { timeout: INSTALL_TIMEOUT_MS });
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
  // No package runs code of its own while it is installed, and each file is the one that was pinned.
  const asPinned = ["--require-hashes", "--only-binary", ":all:", "-r", REQUIREMENTS];
  await run(join(folder, "bin", "python"), [...pip, ...asPinned], { timeout: INSTALL_TIMEOUT_MS });
}
