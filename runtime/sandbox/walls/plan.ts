/** What an executor can be walled in with, and which walls a host lets stand: pure decisions. */

/** From the one that asks least of the host to the one that asks most. */
export const WALLS = ["death", "privileges", "limits", "uid", "network", "processes", "files"] as const;
export type Wall = (typeof WALLS)[number];

const MEANING: Record<Wall, string> = {
  death: "an end with its worker",
  privileges: "no privileges",
  limits: "resource limits",
  uid: "a user id of its own",
  network: "no network",
  processes: "no sight of other processes",
  files: "no files but its own",
};

const NAMESPACES =
  "Linux with util-linux, and either a worker that runs as root with CAP_SYS_ADMIN or unprivileged user namespaces";
const REMEDY: Record<Wall, string> = {
  death: "Linux with util-linux (setpriv)",
  privileges: "Linux with util-linux (setpriv)",
  limits: "Linux with util-linux (prlimit)",
  uid: "a worker that runs as root with CAP_SETUID, CAP_SETGID and CAP_SETPCAP, and a node binary that everyone may run",
  network: NAMESPACES,
  processes: NAMESPACES,
  files: `${NAMESPACES} that may mount, and ldd`,
};

export interface WallPlan {
  readonly walls: ReadonlySet<Wall>;
  /** Whether namespaces are made inside a user namespace, for want of the right to make them plainly. */
  readonly userNamespace: boolean;
}

export interface HostFacts {
  isLinux: boolean;
  isRoot: boolean;
  /** Absolute paths. */
  tools: Partial<Record<"setpriv" | "unshare" | "prlimit" | "mount" | "sh" | "env" | "ldd", string>>;
  /** Whether there are user ids to give away. */
  hasUidRange: boolean;
  /** Whether the system tells a process's children: without it an executor behind a fork is not found. */
  tellsChildren: boolean;
}

/** The walls worth trying here. */
export function possibleWalls(facts: HostFacts): ReadonlySet<Wall> {
  const { tools, isLinux, isRoot, hasUidRange, tellsChildren } = facts;
  if (!isLinux || !tools.setpriv) return new Set();
  const walls = new Set<Wall>(["death", "privileges"]);
  if (tools.prlimit) walls.add("limits");
  if (isRoot && hasUidRange) walls.add("uid");
  if (tools.unshare) walls.add("network");
  if (tools.unshare && tellsChildren) walls.add("processes");
  const canMount = tools.mount && tools.sh && tools.env && tools.ldd;
  if (walls.has("processes") && canMount) walls.add("files");
  return walls;
}

const needsNamespace = (wall: Wall) => wall === "network" || wall === "processes" || wall === "files";

/** Whether namespaces are made plainly or inside a user namespace, in the order to try it. */
function waysToNamespaces(facts: HostFacts, possible: ReadonlySet<Wall>): boolean[] {
  if (![...possible].some(needsNamespace)) return [false];
  return facts.isRoot ? [false, true] : [true];
}

/** All walls at once: what is expected to stand, and what is tried first. */
export function hopedPlan(facts: HostFacts): WallPlan {
  const walls = possibleWalls(facts);
  return { walls, userNamespace: waysToNamespaces(facts, walls)[0]! };
}

/**
 * The best plan that stands. All at once is tried first, plainly and then in a user namespace; where neither stands,
 * wall after wall is added to those that do.
 * `stands` tries a plan for real.
 */
export async function choosePlan(
  facts: HostFacts,
  stands: (plan: WallPlan) => boolean | Promise<boolean>,
): Promise<WallPlan> {
  const possible = possibleWalls(facts);
  const ways = waysToNamespaces(facts, possible);
  const best = { walls: new Set<Wall>(), userNamespace: false };
  if (possible.size === 0) return best;
  for (const userNamespace of ways) {
    const plan = { walls: possible, userNamespace };
    if (await stands(plan)) return plan;
  }
  for (const wall of WALLS) {
    if (!possible.has(wall)) continue;
    const walls = new Set([...best.walls, wall]);
    const isFirst = needsNamespace(wall) && ![...best.walls].some(needsNamespace);
    for (const userNamespace of isFirst ? ways : [best.userNamespace]) {
      if (!(await stands({ walls, userNamespace }))) continue;
      best.walls = walls;
      best.userNamespace = userNamespace;
      break;
    }
  }
  return best;
}

export function missingWalls(plan: WallPlan): Wall[] {
  return WALLS.filter((wall) => !plan.walls.has(wall));
}

/** One sentence for an operator: what stands, or what is missing and what would bring it. */
export function describeWalls(plan: WallPlan): string {
  const missing = missingWalls(plan);
  if (missing.length === 0) return "all walls stand";
  const parts = missing.map((wall) => `${wall} (${MEANING[wall]}; needs ${REMEDY[wall]})`);
  return `executors run without ${parts.join(", ")}`;
}
