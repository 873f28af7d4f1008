/**
 * Under which account the PostgreSQL server runs, and how a program is started under it.
 *
 * An ordinary user runs the server as itself. Root must not: the server runs as the owner of existing data, else as
 * the user `postgres`. A clone may stand in a folder which that user cannot enter (`/root`, a `mktemp -d`); then
 * setpriv starts the programs with the one capability that lets them pass, and nothing else of root's.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmod, chown, readFile, realpath, stat } from "node:fs/promises";
import { platform } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { PostgresBinaries } from "./postgres-binaries.ts";

const run = promisify(execFile);

export interface Account {
  uid: number;
  gid: number;
}

/** How to start a program as the server's account: `spawn(command, [...head, program, ...args], ids)`. */
export interface Launcher {
  /** Words put before the program: none, or setpriv with its options. */
  head: string[];
  /** Given to spawn where the kernel's own switch is enough. */
  ids: Account | Record<string, never>;
  /** Makes a path belong to the account; does nothing for an ordinary user. */
  own(path: string): Promise<void>;
}

/** Capabilities that let a process pass closed folders, least first. Containers often lack the first. */
const PASSING_CAPABILITIES = [
  { name: "dac_read_search", bit: 2 },
  { name: "dac_override", bit: 1 },
] as const;

/**
 * @param dataFolder the server's folder, which need not exist yet
 * @param parentDir the existing folder it stands in
 */
export async function planLauncher(
  binaries: PostgresBinaries,
  dataFolder: string,
  parentDir: string,
  onLog: (line: string) => void,
): Promise<Launcher> {
  const owner = await stat(dataFolder).catch(() => undefined);
  const myUid = process.getuid?.() ?? -1;
  if (myUid !== 0) {
    if (owner && owner.uid !== myUid) {
      throw new Error(
        `${dataFolder} belongs to another user (uid ${owner.uid}). ` +
          "Start Bellhop as that user, or set BELLHOP_DATA_DIR to a folder of your own.",
      );
    }
    return { head: [], ids: {}, own: async () => {} };
  }
  const account = owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : await findOrCreateAccount();
  const own = (path: string) => chown(path, account.uid, account.gid);
  await makeExecutable(binaries);
  if (await canReach(account, binaries, parentDir)) return { head: [], ids: account, own };
  return { head: await planSetpriv(account, binaries, parentDir, onLog), ids: {}, own };
}

async function findOrCreateAccount(): Promise<Account> {
  const found = await lookUpAccount();
  if (found) return found;
  const ways = [
    [
      ["groupadd", "--system", "postgres"],
      ["useradd", "--system", "--gid", "postgres", "postgres"],
    ],
    [
      ["addgroup", "-S", "postgres"],
      ["adduser", "-S", "-D", "-H", "-G", "postgres", "postgres"],
    ],
  ];
  for (const way of platform() === "linux" ? ways : []) {
    for (const [command, ...args] of way) await run(command!, args).catch(() => {});
    const created = await lookUpAccount();
    if (created) return created;
  }
  throw new Error(
    "PostgreSQL refuses to run as root, and there is no user `postgres` and none could be created. " +
      "Start Bellhop as an ordinary user, or create the user `postgres`.",
  );
}

async function lookUpAccount(): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all([run("id", ["-u", "postgres"]), run("id", ["-g", "postgres"])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return undefined;
  }
}

/** Some installs lose the mode; touched only where a bit is missing, the folder may be read-only. */
async function makeExecutable(binaries: PostgresBinaries): Promise<void> {
  for (const path of [binaries.initdb, binaries.postgres]) {
    const { mode } = await stat(path);
    if ((mode & 0o555) !== 0o555) await chmod(path, mode | 0o555);
  }
}

async function canReach(account: Account, binaries: PostgresBinaries, parentDir: string): Promise<boolean> {
  const native = dirname(dirname(binaries.postgres));
  const libraries = join(native, "lib", "postgresql");
  for (const folder of [dirname(binaries.postgres), libraries, join(native, "share"), parentDir]) {
    if (!(await canTraverse(account, folder))) return false;
  }
  return true;
}

/** Whether the account may pass every folder from the root down to `folder`, by the mode bits. */
export async function canTraverse(account: Account, folder: string): Promise<boolean> {
  let at = await realpath(folder);
  for (;;) {
    const { mode, uid, gid } = await stat(at);
    const passBit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & passBit) === 0) return false;
    if (dirname(at) === at) return true;
    at = dirname(at);
  }
}

async function planSetpriv(
  account: Account,
  binaries: PostgresBinaries,
  parentDir: string,
  onLog: (line: string) => void,
): Promise<string[]> {
  const held = await heldCapabilities();
  for (const { name, bit } of PASSING_CAPABILITIES) {
    if ((held & (1n << BigInt(bit))) === 0n) continue;
    const head = setprivWords(account, name);
    if (!(await runsUnder(head, binaries))) continue;
    onLog(
      `The user postgres cannot enter the folders of ${parentDir}: the server starts with the capability ${name}.`,
    );
    return head;
  }
  throw new Error(
    `PostgreSQL refuses to run as root, and the user it would run as (uid ${account.uid}) cannot enter the folder of ` +
      `the program (${dirname(binaries.postgres)}) or of the data (${parentDir}). Start Bellhop as an ordinary user, ` +
      "or put the clone and BELLHOP_DATA_DIR in folders that every user may enter.",
  );
}

function setprivWords({ uid, gid }: Account, capability: string): string[] {
  return [
    "setpriv",
    `--reuid=${uid}`,
    `--regid=${gid}`,
    "--clear-groups",
    `--inh-caps=-all,+${capability}`,
    `--ambient-caps=-all,+${capability}`,
    `--bounding-set=-all,+${capability}`,
    // Without it access(2), with which the programs look for each other, ignores an ordinary user's capabilities.
    "--securebits=+no_setuid_fixup,+no_setuid_fixup_locked",
    "--no-new-privs",
  ];
}

async function runsUnder(head: string[], binaries: PostgresBinaries): Promise<boolean> {
  try {
    const [command, ...args] = [...head, binaries.initdb, "--version"];
    const { stderr } = await run(command!, args, {
      cwd: "/",
      env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C" },
    });
    return !/invalid binary|Permission denied/.test(stderr);
  } catch {
    return false;
  }
}

async function heldCapabilities(): Promise<bigint> {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  const bits = (name: string) =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)`, "m").exec(status)?.[1] ?? "0"}`);
  return bits("CapPrm") & bits("CapBnd");
}

/** Always in a group of its own, with nothing of our environment, which may hold secrets. `input` is all that it is told. */
export function launch(
  launcher: Launcher,
  program: string,
  args: string[],
  output: "pipe" | number,
  input?: string,
): ChildProcess {
  const [command, ...words] = [...launcher.head, program, ...args];
  const { PATH = "/usr/bin:/bin", LD_LIBRARY_PATH } = process.env;
  const env = { PATH, LC_ALL: "C", ...(LD_LIBRARY_PATH === undefined ? {} : { LD_LIBRARY_PATH }) };
  const child = spawn(command!, words, {
    ...launcher.ids,
    cwd: "/",
    env,
    detached: true,
    stdio: [input === undefined ? "ignore" : "pipe", output === "pipe" ? "pipe" : "ignore", output],
  });
  // One that ends before it has read all says why by its exit.
  child.stdin?.on("error", () => {}).end(input);
  return child;
}
