/** Where the guest's snapshot and the scripts of node: modules lie; made where they are missing or their sources changed. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BellhopError } from "../../../core/errors.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const FOLDER = join(ROOT, ".cache/guest");
const MAKER = fileURLToPath(new URL("make-snapshot.ts", import.meta.url));
const MAX_MAKE_MS = 60_000;
const KEPT_MS = 86_400_000;

let knownPath: string | undefined;

/**
 * The path of a snapshot that fits these sources, this Node and this machine. The first call after a change takes a
 * second. Throws `guest_snapshot_failed`.
 */
export function guestSnapshotPath(): string {
  if (knownPath !== undefined) return knownPath;
  const path = join(FOLDER, `${fingerprint()}.snapshot`);
  if (!existsSync(path)) make(path);
  knownPath = path;
  return path;
}

/** Takes a path for the one that fits, where it is there: whoever made the program of the same sources has asked for it. */
export function assumeGuestSnapshot(path: string): void {
  if (existsSync(path) && existsSync(besideSnapshot(path))) knownPath = path;
}

/** The path of the scripts of node: modules that go with the snapshot: JSON of name → script. Throws as that does. */
export function nodeModulesPath(): string {
  return besideSnapshot(guestSnapshotPath());
}

function besideSnapshot(path: string): string {
  return path.replace(/\.snapshot$/, ".node.json");
}

function make(path: string): void {
  mkdirSync(FOLDER, { recursive: true });
  const draft = `${path}.${process.pid}`;
  const modulesDraft = `${draft}.json`;
  const made = spawnSync(process.execPath, ["--no-node-snapshot", MAKER, draft, modulesDraft], {
    stdio: ["ignore", "ignore", "pipe"],
    timeout: MAX_MAKE_MS,
  });
  if (made.status !== 0) {
    const reason = made.error?.message ?? made.stderr.toString().trim().slice(-2_000);
    throw new BellhopError(
      "guest_snapshot_failed",
      500,
      `The snapshot of the guest's web API was not made: ${reason}`,
    );
  }
  // First: where the snapshot lies, both do.
  renameSync(modulesDraft, besideSnapshot(path));
  renameSync(draft, path);
  removeOld();
}

/** Younger ones may be those of another worker that runs from this folder. */
function removeOld(): void {
  for (const name of readdirSync(FOLDER)) {
    const file = join(FOLDER, name);
    const ageMs = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (ageMs > KEPT_MS) rmSync(file, { force: true });
  }
}

function fingerprint(): string {
  const hash = createHash("sha256");
  hash.update(`${process.version} ${process.platform} ${process.arch}`);
  const sources = globSync(["functions/guest/**/*.{ts,js}", "package.json"], {
    cwd: ROOT,
    exclude: ["**/*.test.ts"],
  });
  for (const source of sources.sort()) hash.update(source).update(readFileSync(join(ROOT, source)));
  return hash.digest("hex").slice(0, 32);
}
