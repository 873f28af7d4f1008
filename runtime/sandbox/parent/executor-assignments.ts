import type { SandboxSettings } from "../settings.ts";
import type { ExecutorProcess } from "./executor-process.ts";
import type { ExecutorStarter } from "./executor-starter.ts";
import { isAtWork, type Tenant } from "./tenant.ts";
import type { WarmMemory } from "./warm-memory.ts";

/** Of all executors, how many may be taken when a namespace gets another: the rest are for namespaces that have none. */
const COMPANION_SHARE = 1 / 2;

/**
 * Which executor serves which tenant: one for each namespace that has work. A tenant without an executor takes the
 * spare or a new one; where all are taken it waits its turn, and gets the one of a tenant that is idle or has had its
 * time (`tenureMs`). One whose runs wait although its executors are full, of streams for example, gets one more,
 * which is the first to go where others wait. An executor never serves a second namespace.
 */
export class ExecutorAssignments {
  readonly #settings: SandboxSettings;
  readonly #starter: ExecutorStarter;
  readonly #warmMemory: WarmMemory;
  /** Whom those serve that take new work; draining ones have left. */
  readonly #served = new Map<ExecutorProcess, Tenant>();
  /** Tenants that wait for an executor, in the order they came. */
  readonly #queue = new Set<Tenant>();

  constructor(settings: SandboxSettings, starter: ExecutorStarter, warmMemory: WarmMemory) {
    this.#settings = settings;
    this.#starter = starter;
    this.#warmMemory = warmMemory;
  }

  /** Undefined where it takes no new work, or has none to serve yet. */
  servedBy(executor: ExecutorProcess): Tenant | undefined {
    return this.#served.get(executor);
  }

  /** Whether a tenant whose own are full may have another. */
  get hasRoomForCompanions(): boolean {
    const { maxExecutors } = this.#settings;
    if (this.#queue.size > 0 || this.#served.size >= maxExecutors * COMPANION_SHARE) return false;
    if (!this.#starter.mayStart) return false;
    // Those that are draining hold memory, and may do so for long.
    return this.#starter.processes.size <= maxExecutors;
  }

  /** Gives a tenant its executor, or a place in the queue for one. */
  assign(tenant: Tenant): boolean {
    const { maxExecutors } = this.#settings;
    if (this.#served.size >= maxExecutors) this.#releaseIdle();
    if (this.#served.size >= maxExecutors && this.#starter.mayStart) this.#drainCompanion();
    if (this.#served.size >= maxExecutors || !this.#starter.mayStart) {
      this.#queue.add(tenant);
      return false;
    }
    this.giveExecutor(tenant);
    return true;
  }

  /** One more executor for a tenant, its first or a companion. */
  giveExecutor(tenant: Tenant): void {
    const executor = this.#starter.take();
    executor.assignedAt = performance.now();
    tenant.executors.push(executor);
    this.#served.set(executor, tenant);
    // Warm memory is shared between namespaces.
    if (tenant.executors.length === 1) this.#warmMemory.add(executor);
    this.#queue.delete(tenant);
  }

  /** Ends the executor that has been idle longest, to make room. */
  #releaseIdle(): void {
    let longest: ExecutorProcess | undefined;
    for (const [executor, { waiting }] of this.#served) {
      if (executor.runningCount > 0 || waiting.size > 0) continue;
      if (!longest || executor.lastEndAt < longest.lastEndAt) longest = executor;
    }
    if (!longest) return;
    this.unassign(longest);
    longest.kill("idle");
  }

  /** Has a tenant that has several executors do with one fewer; what runs there goes on. */
  #drainCompanion(): void {
    for (const [executor, tenant] of this.#served) {
      if (executor === tenant.executors[0] || executor.state !== "ready") continue;
      this.unassign(executor);
      executor.drain();
      return;
    }
  }

  /** It takes no new work any more; whom it served is answered. */
  unassign(executor: ExecutorProcess): Tenant | undefined {
    const tenant = this.#served.get(executor);
    if (!tenant) return undefined;
    this.#served.delete(executor);
    this.#warmMemory.remove(executor);
    const { executors } = tenant;
    const wasFirst = executors[0] === executor;
    executors.splice(executors.indexOf(executor), 1);
    if (wasFirst && executors[0]) this.#warmMemory.add(executors[0]);
    return tenant;
  }

  /** Whether others wait for an executor, and this one has been its tenant's for long enough. */
  mustMakeRoom(executor: ExecutorProcess, tenant: Tenant): boolean {
    return this.#queue.size > 0 && this.#hasHadItsTime(executor, tenant);
  }

  #hasHadItsTime(executor: ExecutorProcess, tenant: Tenant): boolean {
    if (executor !== tenant.executors[0]) return true;
    if (executor.runningCount === 0 && tenant.waiting.size === 0) return true;
    return performance.now() - executor.assignedAt >= this.#settings.tenureMs;
  }

  /** `serve`: for each that waits, in turn, until one is left waiting. */
  serveQueue(serve: (tenant: Tenant) => void): void {
    for (const tenant of [...this.#queue]) {
      if (tenant.waiting.size === 0) this.#queue.delete(tenant);
      else serve(tenant);
      // It keeps its place.
      if (this.#queue.has(tenant)) return;
    }
  }

  /** Ends those executors of a tenant that nobody used for a while. */
  endIdle(tenant: Tenant, now: number): void {
    const { executors } = tenant;
    const isBusy = isAtWork(tenant);
    for (const executor of [...executors]) {
      if (executor.runningCount > 0) continue;
      // The first stays while others work: it is the one that is warm.
      if (isBusy && executor === executors[0]) continue;
      if (now - Math.max(executor.lastEndAt, executor.assignedAt) < this.#settings.idleExecutorMs) continue;
      this.unassign(executor);
      executor.kill("idle");
    }
  }
}
