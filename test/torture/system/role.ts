/**
 * A role's process on a port that it keeps, with ways to the database and to it that can be held up. Where it ends it is
 * started again, as an orchestrator would.
 * States: running ⇄ frozen; from either → ended → (after a moment) running, until it is dismissed.
 */
import { createWriteStream } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { ROLE_FLAGS } from "../../../core/role-flags.ts";
import { COMPILE_CACHE } from "../../support/compile-cache.ts";
import { type RunningProcess, startCommand } from "../../support/processes.ts";
import type { TcpProxy } from "../../support/tcp-proxy.ts";
import { giveOrders, INSIDE_ROLE, type Orders } from "./inside-role.ts";

export type RoleKind = "api" | "scheduler" | "worker";

const FILES: Record<RoleKind, string> = {
  api: "api/main.ts",
  scheduler: "scheduler/main.ts",
  worker: "runtime/main.ts",
};
/** As much memory as a small container would leave. */
const NODE_FLAGS = [...ROLE_FLAGS, "--max-old-space-size=400", `--import=${INSIDE_ROLE}`];
const RESTART_MS = 300;
const PROBE_MS = 100;
const PROBE_TIMEOUT_MS = 2_000;

export interface RoleOptions {
  kind: RoleKind;
  /** `worker-2`. */
  name: string;
  port: number;
  env: Record<string, string>;
  logFile: string;
  /** What is to be done inside of it (inside-role.ts). */
  ordersFile: string;
  /** Its own way to the database. */
  database: TcpProxy;
  /** Of a worker: how APIs reach it. */
  calls?: TcpProxy;
}

export interface RoleExit {
  at: number;
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Somebody had sent it a signal that ends. */
  wasAsked: boolean;
  lastLines: string[];
}

export class Role {
  readonly kind: RoleKind;
  readonly name: string;
  readonly url: string;
  readonly database: TcpProxy;
  readonly calls: TcpProxy | undefined;
  readonly exits: RoleExit[] = [];
  readonly #options: RoleOptions;
  #process: RunningProcess;
  #isAlive = true;
  #wasAsked = false;
  #isDismissed = false;

  constructor(options: RoleOptions) {
    const { kind, name, port, database, calls } = options;
    this.#options = options;
    this.#order({ clockAheadMs: 0, exhaustsMemory: false });
    this.kind = kind;
    this.name = name;
    this.url = `http://127.0.0.1:${port}`;
    this.database = database;
    this.calls = calls;
    this.#process = this.#start();
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** One that ends it is followed by another start. */
  signal(signal: NodeJS.Signals): void {
    if (!this.#isAlive) return;
    if (signal === "SIGKILL" || signal === "SIGTERM") this.#wasAsked = true;
    this.#process.signal(signal);
  }

  /** It breaks down within seconds; resolves when it has. */
  async exhaustMemory(): Promise<void> {
    if (!this.#isAlive) return;
    this.#wasAsked = true;
    this.#order({ clockAheadMs: 0, exhaustsMemory: true });
    await this.#process.exited;
  }

  /** Its clock is so far ahead of the true one from now on; 0: it is right again. */
  shiftClock(clockAheadMs: number): void {
    this.#order({ clockAheadMs, exhaustsMemory: false });
  }

  async isReady(): Promise<boolean> {
    try {
      const answer = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
      await answer.text();
      return answer.ok;
    } catch {
      return false;
    }
  }

  async whenReady(patienceMs: number): Promise<void> {
    const deadlineMs = Date.now() + patienceMs;
    while (!(await this.isReady())) {
      if (Date.now() > deadlineMs) {
        const last = this.#process.lines.slice(-10).join("\n");
        throw new Error(`${this.name} is not ready after ${patienceMs} ms; its last lines:\n${last}`);
      }
      await delay(PROBE_MS);
    }
  }

  /** Politely, for good. */
  async dismiss(): Promise<void> {
    this.#isDismissed = true;
    await this.#process.stop();
  }

  #order(orders: Orders): void {
    giveOrders(this.#options.ordersFile, orders);
  }

  #start(): RunningProcess {
    const { kind, name, port, env, logFile, ordersFile } = this.#options;
    const started = startCommand(name, [process.execPath, ...NODE_FLAGS, FILES[kind]], {
      ...COMPILE_CACHE,
      ...env,
      ...{ PORT: String(port), TORTURE_ORDERS: ordersFile },
    });
    this.#isAlive = true;
    void started.exited.then(async ({ code, signal }) => {
      this.#isAlive = false;
      const log = createWriteStream(logFile, { flags: "a" });
      log.end(`${started.lines.join("\n")}\n--- ended: ${signal ?? code}\n`);
      const wasAsked = this.#wasAsked || this.#isDismissed;
      this.exits.push({ at: Date.now(), code, signal, wasAsked, lastLines: started.lines.slice(-5) });
      this.#wasAsked = false;
      this.#order({ clockAheadMs: 0, exhaustsMemory: false });
      if (this.#isDismissed) return;
      await delay(RESTART_MS);
      if (!this.#isDismissed) this.#process = this.#start();
    });
    return started;
  }
}
