/**
 * The walls around a worker's executors, kept as they are for the worker's life.
 *
 *   hoped for → known, by the first executor that comes up behind them
 *             → (it did not come up) tried out one after another → known
 *
 * An executor is only ever started through the whole chain of its plan: where a wall of it does not stand, nothing
 * starts. So hoping costs a failed start at worst, and never a wall.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { realpathSync } from "node:fs";
import { messageOf } from "../../../core/errors.ts";
import { NODE_SNAPSHOT_FLAGS } from "../parent/node-snapshot.ts";
import { type ChainFacts, JAIL_NODE, JAIL_SETPRIV, wallChain } from "./chain.ts";
import { readHostFacts } from "./host-facts.ts";
import { findLibraries, type Jail, type KnownLibraries, makeJail } from "./jail.ts";
import { choosePlan, type HostFacts, hopedPlan, possibleWalls, type WallPlan } from "./plan.ts";
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
  texts: Record<string, string | Buffer>;
}

/** What one executor is started through. */
export interface Entry {
  chain: string[];
  /** To be called when the executor is gone. */
  leave(): void;
}

/** What the libraries of executors are on this host; undefined: nobody needs them, for there can be no such wall. */
export function findExecutorLibraries({
  node,
  addon,
}: Pick<ExecutorParts, "node" | "addon">): KnownLibraries | undefined {
  const { facts } = readHostFacts();
  if (!possibleWalls(facts).has("files")) return undefined;
  const { ldd, setpriv } = facts.tools;
  return findLibraries(ldd!, [setpriv!, realpathSync(node), realpathSync(addon)]);
}

export class StandingWalls {
  /** Resolves once it is known which walls stand. */
  readonly known: Promise<void>;
  readonly #know: () => void;
  readonly #hostFacts: HostFacts;
  #plan: WallPlan;
  #areKnown = false;
  #refusal: string | undefined;
  #trying: Promise<void> | undefined;
  readonly #parts: ExecutorParts;
  readonly #jail: Jail;
  readonly #ids: IdLender | undefined;
  readonly #facts: Omit<ChainFacts, "uid" | "maxTasks">;

  /** Lays them out. `hostFacts` stand in for this host's own. */
  constructor(parts: ExecutorParts, hostFacts?: Partial<HostFacts>) {
    const { facts: own, ids } = readHostFacts();
    const facts = { ...own, ...hostFacts };
    this.#hostFacts = facts;
    this.#parts = { ...parts, node: realpathSync(parts.node), addon: realpathSync(parts.addon) };
    this.#jail = makeJail(parts);
    this.#ids = ids && new IdLender(ids);
    const { tools, isRoot } = facts;
    const fstab = possibleWalls(facts).has("files") ? this.#layOut(tools.setpriv!, tools.ldd!) : undefined;
    this.#facts = { tools, isRoot, jail: fstab === undefined ? undefined : { root: this.#jail.root, fstab } };
    this.#plan = hopedPlan(facts);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.known = promise;
    this.#know = resolve;
  }

  get plan(): WallPlan {
    return this.#plan;
  }

  get areKnown(): boolean {
    return this.#areKnown;
  }

  /** What the host said where not all walls stand. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** An executor came up behind them. */
  confirm(): void {
    this.#areKnown = true;
    this.#know();
  }

  /** Finds which stand, with the real chain of commands; does nothing where they are known. Never rejects. */
  async tryOut(): Promise<void> {
    if (this.#areKnown) return;
    this.#trying ??= this.#choose();
    await this.#trying;
  }

  async #choose(): Promise<void> {
    const plan = await choosePlan(this.#hostFacts, async (tried) => {
      const said = await this.#tryOne(tried);
      if (!this.#areKnown) this.#refusal ??= said;
      return said === undefined;
    });
    if (!this.#areKnown) this.#plan = plan;
    this.confirm();
  }

  /** Where the executor finds its node. */
  get node(): string {
    return this.#isJailed ? JAIL_NODE : this.#parts.node;
  }

  get addon(): string {
    return this.#isJailed ? JAIL_ADDON : this.#parts.addon;
  }

  /** Whether there is such a file or text among its parts. */
  holds(name: string): boolean {
    return Object.hasOwn(this.#parts.files, name) || Object.hasOwn(this.#parts.texts, name);
  }

  /** Where the executor finds a file or a text of its parts. */
  pathOf(name: string): string {
    return this.#isJailed ? `/${name}` : this.#jail.pathOf(name);
  }

  /** `maxTasks`: processes and threads of the executor; held where it has a user id of its own. */
  enter(maxTasks: number): Entry {
    return this.#enter(this.#plan, maxTasks);
  }

  /** Removes what was laid out; no executor can start after it. */
  remove(): void {
    this.#jail.remove();
  }

  get #isJailed(): boolean {
    return this.#plan.walls.has("files");
  }

  #layOut(setpriv: string, ldd: string): string {
    const { node, addon } = this.#parts;
    const { paths } = findLibraries(ldd, [setpriv, node, addon]);
    return this.#jail.layOut({
      ...Object.fromEntries(paths.map((path) => [path, path])),
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

  /** Loads the addon behind the walls of a plan; resolves with what went wrong. */
  async #tryOne(plan: WallPlan): Promise<string | undefined> {
    const isJailed = plan.walls.has("files");
    const [node, addon] = isJailed ? [JAIL_NODE, JAIL_ADDON] : [this.#parts.node, this.#parts.addon];
    const { chain, leave } = this.#enter(plan, 0);
    const load = "process.dlopen({ exports: {} }, process.argv[1])";
    const [file, ...args] = [...chain, node, ...NODE_SNAPSHOT_FLAGS, "--eval", load, addon];
    try {
      const tried = spawn(file!, args, {
        cwd: "/",
        env: {},
        stdio: ["ignore", "ignore", "pipe"],
        timeout: TRY_TIMEOUT_MS,
        killSignal: "SIGKILL",
      });
      let said = "";
      tried.stderr.on("data", (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-MAX_REASON_CHARS);
      });
      const [code, signal] = (await once(tried, "close")) as [number | null, string | null];
      return code === 0 ? undefined : said.trim() || `ended with ${signal ?? code}`;
    } catch (error) {
      return messageOf(error);
    } finally {
      leave();
    }
  }
}
