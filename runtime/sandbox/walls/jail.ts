/**
 * The folder executors are started from, one for each worker process.
 *
 *   made (files copied, mount points laid out) → removed, at the worker's exit or by the next worker
 *
 * `root` becomes an executor's root: inside its mount namespace node, the libraries and the addon are bound over empty
 * files, everything read-only. Where there is no such namespace the executor reads the copies by their outer paths.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, linkSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { makeOwnFolder } from "../../../core/processes/own-folder.ts";

export interface JailContents {
  /** Copied in: outer path by name. */
  files: Record<string, string>;
  /** Written: text, or bytes, by name. */
  texts: Record<string, string | Buffer>;
}

export interface Jail {
  root: string;
  /** The outer path of a file in it. */
  pathOf(name: string): string;
  /** Lays out the mount points; returns the path of the table of mounts. */
  layOut(bound: Record<string, string>): string;
  remove(): void;
}

export function makeJail({ files, texts }: JailContents): Jail {
  const folder = makeOwnFolder(tmpdir(), "bellhop-sandbox");
  const root = join(folder, "root");
  // Other users pass, and list nothing outside the root; whatever the worker's umask is.
  chmodSync(folder, 0o711);
  makeFolder(root);
  for (const [name, source] of Object.entries(files)) copyReadable(source, join(root, name));
  for (const [name, text] of Object.entries(texts)) writeReadable(join(root, name), text);
  return {
    root,
    pathOf: (name) => join(root, name),
    layOut(bound) {
      const inners = Object.keys(bound);
      for (const inside of new Set(inners.map(dirname))) makeFolder(join(root, inside), root);
      // One file by many names: what a file system does longest is making files. It lies outside the root, where no
      // executor can name it.
      const empty = join(folder, "empty");
      writeReadable(empty, "");
      for (const inner of inners) linkOrWrite(empty, join(root, inner));
      makeFolder(join(root, "proc"));
      const fstab = join(folder, "fstab");
      writeFileSync(fstab, mountTable(root, bound));
      return fstab;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/**
 * An fstab: the root itself, then each outer file over its inner path, then a /proc of the namespace's own. All flags
 * that a host may have locked are set again, or a user namespace may not remount.
 */
export function mountTable(root: string, bound: Record<string, string>): string {
  const line = (source: string, target: string, type: string, options: string) =>
    `${escapeMount(source)} ${escapeMount(target)} ${type} ${options}\n`;
  const lines = [line(root, root, "none", "bind,ro,nosuid,nodev,noexec")];
  for (const [inner, outer] of Object.entries(bound))
    lines.push(line(outer, join(root, inner), "none", "bind,ro,nosuid,nodev"));
  lines.push(line("proc", join(root, "proc"), "proc", "ro,nosuid,nodev,noexec,subset=pid"));
  return lines.join("");
}

const escapeMount = (path: string) =>
  path.replace(/[\s\\#]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`);

export interface KnownLibraries {
  /** Of the programs, and of what the loader goes by, as they were. */
  mark: string;
  paths: string[];
}

let known: KnownLibraries | undefined;

/** Takes what was found before for what `ldd` would tell, for as long as the programs are the same: it saves a start 20 ms. */
export function assumeLibraries(found: KnownLibraries | undefined): void {
  known = found;
}

/** The shared libraries that programs load. */
export function findLibraries(ldd: string, programs: string[]): KnownLibraries {
  const mark = markPrograms(programs);
  return known?.mark === mark ? known : { mark, paths: askLdd(ldd, programs) };
}

/** Changes wherever a library is installed: the loader's cache is written anew then. */
const LOADER_CACHE = "/etc/ld.so.cache";

function markPrograms(programs: string[]): string {
  const marks = [...programs, LOADER_CACHE].map((path) => {
    const { ino, size, mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? {};
    return [path, ino, size, mtimeMs];
  });
  return JSON.stringify(marks);
}

function askLdd(ldd: string, programs: string[]): string[] {
  const { stdout } = spawnSync(ldd, programs, {
    env: {},
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return parseLdd(stdout ?? "");
}

/** Lines such as `libc.so.6 => /lib/libc.so.6 (0x00007f…)` and `/lib64/ld-linux-x86-64.so.2 (0x00007f…)`. */
export function parseLdd(text: string): string[] {
  const paths = [...text.matchAll(/(?:^|\s)(\/\S+) \(0x[0-9a-f]+\)$/gm)].map((match) => match[1]!);
  return [...new Set(paths)].sort();
}

function makeFolder(path: string, upTo?: string): void {
  mkdirSync(path, { recursive: true });
  for (let each = path; each.length >= (upTo ?? path).length; each = dirname(each)) chmodSync(each, 0o755);
}

function copyReadable(source: string, target: string): void {
  copyFileSync(source, target);
  chmodSync(target, 0o644);
}

/** Some file systems have one name for a file only. */
function linkOrWrite(empty: string, path: string): void {
  try {
    linkSync(empty, path);
  } catch {
    writeReadable(path, "");
  }
}

function writeReadable(path: string, text: string | Buffer): void {
  writeFileSync(path, text);
  chmodSync(path, 0o644);
}
