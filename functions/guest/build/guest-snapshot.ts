/** Where the guest's snapshot and the scripts of node: modules lie; made where they are missing or their sources changed. */
import { execFile, spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
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
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
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
  const path = join(FOLDER, snapshotName());
  if (!existsSync(path)) make(path);
  knownPath = path;
  return path;
}

/** The same for who has others to serve meanwhile. Rejects with what kept it from being made. */
export async function prepareGuestSnapshot(folder = FOLDER): Promise<string> {
  const path = join(folder, snapshotName());
  if (existsSync(path)) return path;
  const drafts = draftsOf(path);
  await promisify(execFile)(process.execPath, commandOf(drafts), { timeout: MAX_MAKE_MS });
  keep(drafts, path);
  return path;
}

/** Takes a path for the one that fits, where it is there: whoever made the program of the same sources has asked for it. */
export function assumeGuestSnapshot(path: string): void {
  if (existsSync(path) && existsSync(nodeModulesPath(path))) knownPath = path;
}

/** The path of the scripts of node: modules that go with a snapshot: JSON of name → script. */
export function nodeModulesPath(snapshotPath: string): string {
  return snapshotPath.replace(/\.snapshot$/, ".node.json");
}

function make(path: string): void {
  const drafts = draftsOf(path);
  const made = spawnSync(process.execPath, commandOf(drafts), {
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
  keep(drafts, path);
}

interface Drafts {
  snapshot: string;
  modules: string;
}

/** In a folder that is there then. */
function draftsOf(path: string): Drafts {
  mkdirSync(dirname(path), { recursive: true });
  const snapshot = `${path}.${randomUUID()}`;
  return { snapshot, modules: `${snapshot}.json` };
}

const commandOf = ({ snapshot, modules }: Drafts) => ["--no-node-snapshot", MAKER, snapshot, modules];

function keep({ snapshot, modules }: Drafts, path: string): void {
  // First: where the snapshot lies, both do.
  renameSync(modules, nodeModulesPath(path));
  renameSync(snapshot, path);
  removeOld(dirname(path));
}

/** Younger ones may be those of another worker that runs from this folder. */
function removeOld(folder: string): void {
  for (const name of readdirSync(folder)) {
    const file = join(folder, name);
    const ageMs = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (ageMs > KEPT_MS) rmSync(file, { force: true });
  }
}

function snapshotName(): string {
  const hash = createHash("sha256");
  hash.update(`${process.version} ${process.platform} ${process.arch}`);
  const sources = globSync(["functions/guest/**/*.{ts,js}", "package.json"], {
    cwd: ROOT,
    exclude: ["**/*.test.ts"],
  });
  for (const source of sources.sort()) hash.update(source).update(readFileSync(join(ROOT, source)));
  return `${hash.digest("hex").slice(0, 32)}.snapshot`;
}
