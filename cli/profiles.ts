/** Where the program is signed in: named profiles in one file that only its owner reads. */
import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { Failure } from "./failure.ts";

export interface Profile {
  url: string;
  key: string;
  /** Of an operator's key: another namespace than its own. */
  namespace?: string | undefined;
}

export interface Profiles {
  current: string;
  profiles: Record<string, Profile>;
}

export const DEFAULT_PROFILE = "default";
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export function profilesPath(env: NodeJS.ProcessEnv): string {
  const config = env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
  return join(config, "bellhop", "profiles.json");
}

export async function readProfiles(env: NodeJS.ProcessEnv): Promise<Profiles> {
  const path = profilesPath(env);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw new Failure(`${path} cannot be read (${error.code}).`, { cause: error });
  });
  if (text === undefined) return { current: DEFAULT_PROFILE, profiles: {} };
  try {
    const { current, profiles } = JSON.parse(text) as Profiles;
    if (typeof current !== "string" || typeof profiles !== "object" || profiles === null) throw new Error();
    return { current, profiles };
  } catch {
    throw new Failure(`${path} is not a file of profiles.`, {
      hint: "Remove it, and sign in again: bellhop login",
    });
  }
}

/** Whole or not at all: a reader never sees a half, and its rights are there before the key is. */
export async function writeProfiles(env: NodeJS.ProcessEnv, profiles: Profiles): Promise<void> {
  const path = profilesPath(env);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // Process ids are no names for it: containers that share a home have the same ones.
  const draft = `${path}.${randomUUID()}`;
  try {
    await writeFile(draft, `${JSON.stringify(profiles, null, 2)}\n`, { mode: 0o600, flag: "wx" });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** The one that is named by --profile, or by the environment. */
export const namedProfile = (asked: { profile?: string | undefined }, env: NodeJS.ProcessEnv) =>
  asked.profile ?? (env["BELLHOP_PROFILE"]?.trim() || undefined);

export function checkProfileName(name: string): string {
  if (NAME.test(name) && name !== "__proto__") return name;
  throw new Failure(`${JSON.stringify(name)} is no name for a profile: letters, digits and . _ - make one.`, {
    exitCode: 2,
    code: "usage",
  });
}
