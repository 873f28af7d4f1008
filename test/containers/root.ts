/**
 * Roots made of layers, for want of a container engine: an overlay in mount, process, IPC and host name namespaces of
 * its own, entered by chroot. Inside a chroot the kernel lets nobody make a user namespace, which is what container
 * engines forbid by default as well; where a test asks for it the root is pivoted to, and they may be made.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Root {
  /** The folder of a whole system; nothing of it is ever changed. */
  base: string;
  /** What differs from it. */
  upper: string;
  /** An empty folder beside `upper`. */
  work: string;
}

export interface RootedCommand {
  root: Root;
  isReadOnly: boolean;
  /** An empty folder to mount on. */
  mountPoint: string;
  workingFolder: string;
  /** `uid:gid`; anybody but root has no capability and can gain none. */
  user: string;
  env: Record<string, string>;
  /** A folder that may be written although the root may not. */
  scratch?: string;
  /** Whether anybody in it may make namespaces of his own. */
  mayMakeNamespaces?: boolean;
  words: string[];
}

const SCRIPT = join(import.meta.dirname, "enter-root.sh");
const NAMESPACES = ["--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child=KILL"];

/** The words that run a command in a root; its first process is process 1. */
export function rootedWords(command: RootedCommand): string[] {
  const {
    root,
    isReadOnly,
    mountPoint,
    workingFolder,
    env,
    scratch = "",
    words,
    mayMakeNamespaces,
  } = command;
  const access = isReadOnly ? "ro" : "rw";
  const [uid, gid] = command.user.split(":");
  const walls = uid === "0" ? [] : ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"];
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return [
    ...["unshare", ...NAMESPACES, "--", "sh", SCRIPT, mountPoint],
    ...[`${access},lowerdir=${root.base},upperdir=${root.upper},workdir=${root.work}`, scratch],
    ...(mayMakeNamespaces ? ["pivot"] : ["stay", "unshare", `--root=${mountPoint}`, "--"]),
    ...["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", ...walls, "--"],
    ...["env", "-i", `--chdir=${workingFolder}`, ...variables, ...words],
  ];
}

/** Undefined where roots can be made and entered; else why not, in one line. */
export function findRootSupport(): string | undefined {
  if (process.platform !== "linux") return "containers are simulated on Linux only";
  if (process.getuid?.() !== 0) return "simulating a container takes root";
  const folder = mkdtempSync(join(tmpdir(), "bellhop-root-"));
  try {
    const [upper, work, mountPoint] = ["upper", "work", "mount"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const path of [upper, work, mountPoint]) mkdirSync(path);
    const [file, ...args] = rootedWords({
      ...{ root: { base: "/", upper, work }, isReadOnly: false, mountPoint },
      ...{ workingFolder: "/", user: "0:0", env: {}, words: ["true"] },
    });
    const { status, error, stderr } = spawnSync(file!, args, { encoding: "utf8", timeout: 20_000 });
    if (status === 0) return undefined;
    return `this host lets no root of layers be made: ${error?.message ?? stderr.trim().split("\n").at(-1)}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
