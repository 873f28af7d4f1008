/** The peers' own packages, beside the product's: installed once, and anew when their lock has changed. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = import.meta.dirname;
const STAMP = join(FOLDER, "node_modules/.lock-installed");

function readStamp(): string | undefined {
  try {
    return readFileSync(STAMP, "utf8");
  } catch {
    return undefined;
  }
}

/** Throws when they cannot be installed. */
export function installPeers(): void {
  const lock = createHash("sha256")
    .update(readFileSync(join(FOLDER, "package-lock.json")))
    .digest("hex");
  if (readStamp() === lock) return;
  process.stderr.write("Installing the peers into bench/peers/node_modules (once) …\n");
  // No script of theirs is needed: every binary comes as a package.
  const args = ["ci", "--prefix", FOLDER, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status, error } = spawnSync("npm", args, { stdio: ["ignore", 2, 2] });
  if (error || status !== 0)
    throw new Error(
      `The peers could not be installed: ${error?.message ?? `npm ci ended with status ${status}`}.`,
    );
  writeFileSync(STAMP, lock);
}

if (import.meta.main) installPeers();
