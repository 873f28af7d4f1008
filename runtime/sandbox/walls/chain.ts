/** The commands an executor is started through, as arguments: no shell parses anything that varies. */
import type { HostFacts, WallPlan } from "./plan.ts";

/** Where the parts of an executor lie inside its own root. */
export const JAIL_NODE = "/node";
export const JAIL_SETPRIV = "/setpriv";

/** Constant; takes the table of mounts and the command that follows as arguments. */
const MOUNT_THEN = `"$0" -a -T "$1" && shift && exec "$@"`;

export interface ChainFacts {
  tools: HostFacts["tools"];
  isRoot: boolean;
  /** Of the executor; read where the plan has `uid`. */
  uid: number;
  /** The root folder and the table of its mounts; read where the plan has `files`. */
  jail: { root: string; fstab: string } | undefined;
  /** Processes and threads; 0: no limit. */
  maxTasks: number;
}

const MAX_DESCRIPTORS = 256;

/**
 * What comes before the command. With the wall `processes` three processes come of it:
 *
 *   unshare (outside) → unshare (process 1 of the namespace) → the executor
 *
 * The executor is not process 1: so it can end itself, and as it can neither signal process 1 nor outlive it, it
 * cannot outlive its worker either, even with its own death signal taken off.
 */
export function wallChain(plan: WallPlan, facts: ChainFacts): string[] {
  const { walls, userNamespace } = plan;
  const { tools, jail } = facts;
  if (!walls.has("death")) return [];
  const setpriv = tools.setpriv!;
  const identity = walls.has("uid") ? [`--reuid=${facts.uid}`, `--regid=${facts.uid}`, "--clear-groups"] : [];
  const namespaces = [
    ...(walls.has("network") ? ["-n"] : []),
    ...(walls.has("processes") ? ["-i", "-p", "-u"] : []),
    ...(walls.has("files") ? ["-m"] : []),
  ];
  const fork = walls.has("processes") ? ["-f", "--kill-child=KILL"] : [];
  const isNested = namespaces.length > 0 && userNamespace;
  const chain: string[] = [];
  if (namespaces.length > 0) {
    const first = isNested ? identity : [];
    const asRoot = isNested ? ["-U", "-r"] : [];
    chain.push(setpriv, ...first, "--pdeathsig=KILL", "--");
    chain.push(tools.unshare!, ...asRoot, ...namespaces, ...fork, "--");
  }
  // A shell leaves variables of its own in the environment.
  if (walls.has("files"))
    chain.push(tools.sh!, "-c", MOUNT_THEN, tools.mount!, jail!.fstab, tools.env!, "-i");
  if (walls.has("limits")) chain.push(...limits(plan, facts));
  const root = walls.has("files") ? [`--root=${jail!.root}`, "--wd=/"] : [];
  if (fork.length > 0 || root.length > 0) chain.push(tools.unshare!, ...fork, ...root, "--");
  const isPrivileged = facts.isRoot || isNested;
  chain.push(
    walls.has("files") ? JAIL_SETPRIV : setpriv,
    ...(isNested ? [] : identity),
    ...(walls.has("privileges") ? ["--inh-caps=-all", "--no-new-privs"] : []),
    ...(walls.has("privileges") && isPrivileged ? ["--bounding-set=-all"] : []),
    // After the change of user, which takes the death signal off.
    "--pdeathsig=KILL",
    "--",
  );
  return chain;
}

function limits({ walls }: WallPlan, { tools, maxTasks }: ChainFacts): string[] {
  // Counted by user: of use only where the executor has one of its own.
  const tasks = walls.has("uid") && maxTasks > 0 ? [`--nproc=${maxTasks}`] : [];
  return [tools.prlimit!, "--core=0", "--fsize=0", `--nofile=${MAX_DESCRIPTORS}`, ...tasks, "--"];
}
