/**
 * What the lock file of an upload says is to be installed. Everything is taken from the operator's registry, and has a
 * hash that it must have: nothing in a lock file leads anywhere else.
 */
import { z } from "zod";
import type { FieldError } from "../../../core/errors.ts";
import { buildFailed, type FieldOf, withSeparators } from "../source-files.ts";
import { strongHashes } from "./integrity.ts";

export const MANIFEST = "package.json";
export const LOCK_FILE = "package-lock.json";
export const MAX_PACKAGES = 500;
/** npm writes some 400 characters for a package. The entries for development count as well. */
const MAX_LOCK_CHARS = 3_000_000;
const MAX_ENTRIES = 5_000;
const MAX_REPORTED_FAULTS = 20;
/** npm writes its address into lock files, whichever registry it was that answered. */
const PUBLIC_REGISTRY = "https://registry.npmjs.org/";

/** Handed to the compiler's process. */
export interface LockedPackage {
  /** Where it belongs, such as `node_modules/a/node_modules/@scope/b`. */
  path: string;
  /** Of its tarball, at the operator's registry. */
  url: string;
  integrity: string;
}

const dependencies = z.record(z.string(), z.string()).optional();
const manifest = z.object({ dependencies, optionalDependencies: dependencies });
const text = z.string().optional();
const flag = z.boolean().optional();
const systems = z.array(z.string()).optional();
const lockedEntry = z.object({
  ...{ name: text, version: text, resolved: text, integrity: text },
  ...{ link: flag, dev: flag, optional: flag, devOptional: flag, inBundle: flag },
  ...{ os: systems, cpu: systems, libc: systems },
});
type LockedEntry = z.output<typeof lockedEntry>;
const lockFile = z.object({
  lockfileVersion: z.union([z.literal(2), z.literal(3)]),
  packages: z.record(z.string(), z.unknown()),
});

interface Fault {
  file: typeof MANIFEST | typeof LOCK_FILE;
  text: string;
}

/**
 * None where the upload has no lock file, or one with nothing to install. Throws `build_failed` (422) where packages
 * are asked for that cannot be had.
 * @param registry undefined: packages are not installed here
 */
export function readLockedPackages(
  files: ReadonlyMap<string, string>,
  registry: string | undefined,
  fieldOf: FieldOf,
): LockedPackage[] {
  const [declared, locked] = [files.get(MANIFEST), files.get(LOCK_FILE)];
  if (declared === undefined || locked === undefined) return [];
  const refuse = (faults: Fault[]): never => {
    const fields = faults.slice(0, MAX_REPORTED_FAULTS).map(({ file, text }): FieldError => {
      return { field: fieldOf(file), message: `${file}: ${text}`, file };
    });
    const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : "";
    throw buildFailed(`The packages cannot be installed: ${fields[0]!.message}${more}`, fields);
  };
  // It is read where all requests are answered.
  const isTooLong = locked.length > MAX_LOCK_CHARS;
  const lock = isTooLong ? undefined : lockFile.safeParse(parseJson(locked)).data;
  if (isTooLong || Object.keys(lock?.packages ?? {}).length > MAX_ENTRIES)
    return refuse([{ file: LOCK_FILE, text: TOO_LONG_LOCK }]);
  if (registry === undefined) {
    const isEmpty = lock === undefined || Object.entries(lock.packages).every(isLeftOut);
    return isEmpty ? [] : refuse([{ file: LOCK_FILE, text: NOT_OFFERED }]);
  }
  if (lock === undefined) return refuse([{ file: LOCK_FILE, text: UNREADABLE_LOCK }]);
  const own = manifest.safeParse(parseJson(declared)).data;
  if (own === undefined) return refuse([{ file: MANIFEST, text: "is not the JSON of a package" }]);
  const faults = [
    ...faultsOfUpload(files),
    ...(isOfManifest(lock.packages[""], own) ? [] : [{ file: LOCK_FILE, text: STALE_LOCK } as const]),
  ];
  const packages: LockedPackage[] = [];
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (isLeftOut([path, entry])) continue;
    const found = toLocked(path, entry, registry);
    if (typeof found === "string") faults.push({ file: LOCK_FILE, text: `${shorten(path)} ${found}` });
    else packages.push(found);
  }
  if (packages.length > MAX_PACKAGES) {
    const text = `asks for ${packages.length} packages; the most is ${MAX_PACKAGES}`;
    faults.push({ file: LOCK_FILE, text });
  }
  return faults.length > 0 ? refuse(faults) : packages;
}

const NOT_OFFERED =
  "this installation of Bellhop installs no packages (its operator sets BELLHOP_NPM_REGISTRY for that): bundle what the function needs and upload the bundle, without this file";
const UNREADABLE_LOCK =
  "is not a lock file of npm 7 or later (lockfileVersion 2 or 3): run npm install and upload what it writes";
const TOO_LONG_LOCK = `is too long: ${withSeparators(MAX_LOCK_CHARS)} characters and ${withSeparators(MAX_ENTRIES)} packages, those for development included, are the most`;
const STALE_LOCK =
  "does not fit the dependencies in package.json: run npm install and upload both as they are then";

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The upload's own files could stand where a package is to be. */
function faultsOfUpload(files: ReadonlyMap<string, string>): Fault[] {
  const own = [...files.keys()].find((path) => path.split("/").includes("node_modules"));
  if (own === undefined) return [];
  const text = `is there to say what is installed, but the upload has ${shorten(own)} itself: leave one of them out`;
  return [{ file: LOCK_FILE, text }];
}

/** What is not for this machine, or for running at all, is not installed. Nor is what comes within another package. */
function isLeftOut([path, entry]: [path: string, entry: unknown]): boolean {
  if (path === "") return true;
  const { dev, inBundle, optional, devOptional, os, cpu, libc } = lockedEntry.safeParse(entry).data ?? {};
  const isNative = (os ?? cpu ?? libc) !== undefined;
  return dev === true || inBundle === true || (isNative && (optional === true || devOptional === true));
}

function isOfManifest(root: unknown, own: z.output<typeof manifest>): boolean {
  const locked = manifest.safeParse(root).data;
  return locked !== undefined && listDependencies(locked) === listDependencies(own);
}

function listDependencies({ dependencies, optionalDependencies }: z.output<typeof manifest>): string {
  const all = { ...dependencies, ...optionalDependencies };
  return JSON.stringify(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const PACKAGE_NAME = "(?:@[a-z0-9~-][\\w.~-]*/)?[a-z0-9~-][\\w.~-]*";
const PACKAGE_PATH = new RegExp(`^node_modules/${PACKAGE_NAME}(?:/node_modules/${PACKAGE_NAME})*$`, "i");
const IS_PACKAGE_NAME = new RegExp(`^${PACKAGE_NAME}$`, "i");
const MAX_PATH_LENGTH = 500;

/** A sentence's end, where it cannot be had. */
function toLocked(path: string, given: unknown, registry: string): LockedPackage | string {
  const entry: LockedEntry | undefined = lockedEntry.safeParse(given).data;
  if (entry?.link) return "is a link: only packages of the registry are installed, so bundle it yourself";
  if (entry === undefined || path.length > MAX_PATH_LENGTH || !PACKAGE_PATH.test(path))
    return "is no place for a package";
  const resolved = entry.resolved ?? usualAddress(path, entry);
  const url = resolved === undefined ? undefined : locateTarball(resolved, registry);
  if (url === undefined)
    return "does not come from the registry that this installation uses: only packages of the registry are installed";
  if (entry.integrity === undefined || strongHashes(entry.integrity).length === 0)
    return "has no hash to check it by (integrity with sha512, sha384 or sha256)";
  return { path, url, integrity: entry.integrity };
}

/** npm can be told to leave the addresses of registries out (`omit-lockfile-registry-resolved`). */
function usualAddress(path: string, { name, version }: LockedEntry): string | undefined {
  const full = name ?? path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
  if (!IS_PACKAGE_NAME.test(full) || version === undefined || !/^[\w.+-]+$/.test(version)) return undefined;
  return `${PUBLIC_REGISTRY}${full}/-/${full.replace(/^.*\//, "")}-${version}.tgz`;
}

/** At the operator's registry; undefined where the address leads anywhere else. */
function locateTarball(resolved: string, registry: string): string | undefined {
  const base = `${registry}/`;
  const url = URL.parse(resolved);
  if (url === null || url.username !== "" || url.password !== "" || /[?#]/.test(resolved)) return undefined;
  if (climbs(url.pathname)) return undefined;
  // As `URL` has resolved it: with `..` gone.
  if (url.href.startsWith(base)) return url.href;
  if (!url.href.startsWith(PUBLIC_REGISTRY)) return undefined;
  return base + url.href.slice(PUBLIC_REGISTRY.length);
}

/** A server may take `..%2f` for what it would be unencoded. */
function climbs(pathname: string): boolean {
  try {
    return decodeURIComponent(pathname).split(/[\\/]/).includes("..");
  } catch {
    return true;
  }
}

const MAX_SHOWN = 100;
const shorten = (path: string) => (path.length <= MAX_SHOWN ? path : `${path.slice(0, MAX_SHOWN)}…`);
