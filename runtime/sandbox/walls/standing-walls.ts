/**
 * The walls around a worker's executors: found by trying the real chain of commands, then kept as they are for the
 * worker's life.
 */
import { spawnSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { type ChainFacts, JAIL_NODE, JAIL_SETPRIV, wallChain } from "./chain.ts";
import { readHostFacts } from "./host-facts.ts";
import { type Jail, makeJail, sharedLibraries } from "./jail.ts";
import { choosePlan, type HostFacts, possibleWalls, type WallPlan } from "./plan.ts";
import { IdLender } from "./uid-range.ts";

const TRY_TIMEOUT_MS = 10_000;
const MAX_REASON_CHARS = 500;
const JAIL_ADDON = "/addon.node";

/** What an executor is made of, by outer paths. */
export interface ExecutorParts {
  node: string;
  addon: string;
  /** Files beside it, by the name the executor knows them by: copied. */
  files: Record<string, string>;
  texts: Record<string, string>;
}

/** What one executor is started through. */
export interface Entry {
  chain: string[];
  /** To be called when the executor is gone. */
  leave(): void;
}

export class StandingWalls {
  readonly plan: WallPlan;
  /** What the host said where not all walls stand. */
  readonly refusal: string | undefined;
  readonly #parts: ExecutorParts;
  readonly #jail: Jail;
  readonly #ids: IdLender | undefined;
  readonly #facts: Omit<ChainFacts, "uid" | "maxTasks">;

  /** Takes some 150 ms, in which nothing else runs. `hostFacts` stand in for this host's own. */
  constructor(parts: ExecutorParts, hostFacts?: Partial<HostFacts>) {
    const { facts: own, ids } = readHostFacts();
    const facts = { ...own, ...hostFacts };
    this.#parts = { ...parts, node: realpathSync(parts.node), addon: realpathSync(parts.addon) };
    this.#jail = makeJail(parts);
    this.#ids = ids && new IdLender(ids);
    const { tools, isRoot } = facts;
    const fstab = possibleWalls(facts).has("files") ? this.#layOut(tools.setpriv!, tools.ldd!) : undefined;
    this.#facts = { tools, isRoot, jail: fstab === undefined ? undefined : { root: this.#jail.root, fstab } };
    let refusal: string | undefined;
    this.plan = choosePlan(facts, (plan) => {
      const said = this.#tryOut(plan);
      refusal ??= said;
      return said === undefined;
    });
    this.refusal = refusal;
  }

  /** Where the executor finds its node. */
  get node(): string {
    return this.#isJailed ? JAIL_NODE : this.#parts.node;
  }

  get addon(): string {
    return this.#isJailed ? JAIL_ADDON : this.#parts.addon;
  }

  /** Where the executor finds a file or a text of its parts. */
  pathOf(name: string): string {
    return this.#isJailed ? `/${name}` : this.#jail.pathOf(name);
  }

  /** `maxTasks`: processes and threads of the executor; held where it has a user id of its own. */
  enter(maxTasks: number): Entry {
    return this.#enter(this.plan, maxTasks);
  }

  /** Removes what was laid out; no executor can start after it. */
  remove(): void {
    this.#jail.remove();
  }

  get #isJailed(): boolean {
    return this.plan.walls.has("files");
  }

  #layOut(setpriv: string, ldd: string): string {
    const { node, addon } = this.#parts;
    const libraries = sharedLibraries(ldd, [setpriv, node, addon]);
    return this.#jail.layOut({
      ...Object.fromEntries(libraries.map((path) => [path, path])),
      [JAIL_NODE]: node,
      [JAIL_SETPRIV]: setpriv,
      [JAIL_ADDON]: addon,
    });
  }

  #enter(plan: WallPlan, maxTasks: number): Entry {
    if (!plan.walls.has("uid") || !this.#ids)
      return { chain: wallChain(plan, { ...this.#facts, uid: 0, maxTasks }), leave() {} };
    const ids = this.#ids;
    const uid = ids.lend();
    return { chain: wallChain(plan, { ...this.#facts, uid, maxTasks }), leave: () => ids.giveBack(uid) };
  }

  /** Loads the addon behind the walls of a plan; returns what went wrong. */
  #tryOut(plan: WallPlan): string | undefined {
    const isJailed = plan.walls.has("files");
    const [node, addon] = isJailed ? [JAIL_NODE, JAIL_ADDON] : [this.#parts.node, this.#parts.addon];
    const { chain, leave } = this.#enter(plan, 0);
    const load = "process.dlopen({ exports: {} }, process.argv[1])";
    const [file, ...args] = [...chain, node, "--no-node-snapshot", "--eval", load, addon];
    try {
      const tried = spawnSync(file!, args, {
        cwd: "/",
        env: {},
        encoding: "utf8",
        stdio: ["ignore", "ignore", "pipe"],
        timeout: TRY_TIMEOUT_MS,
        killSignal: "SIGKILL",
      });
      if (tried.status === 0) return undefined;
      const said = tried.error?.message ?? tried.stderr.trim();
      return said.slice(-MAX_REASON_CHARS) || `ended with ${tried.signal ?? tried.status}`;
    } finally {
      leave();
    }
  }
}
