import { type AttemptOutcome, failed } from "../../../core/domain/attempt.ts";
import { whenAborted } from "../../../core/lazy-abort.ts";
import type { SandboxStats } from "../../../core/telemetry/metrics/sandbox.ts";
import type { Invocation, InvokeOptions, Sandbox } from "../invocation.ts";
import type { SandboxParts, SandboxSettings } from "../settings.ts";
import { GATHER_MS } from "./batch-size.ts";
import { JobCall } from "./call/job-call.ts";
import type { ExecutorProcess } from "./executor-process.ts";
import { ExecutorStarter } from "./executor-starter.ts";
import type { Job } from "./job.ts";
import { CANCELLED, executorKilled } from "./outcome.ts";
import {
  CROWDED_MS,
  createTenant,
  crowdedAt,
  isAtWork,
  isFull,
  relievedAt,
  type Tenant,
  waitsForItsFirst,
} from "./tenant.ts";
import { WarmMemory } from "./warm-memory.ts";

const MEGABYTE = 1_048_576;

const SWEEP_MS = 30_000;

/** Of all executors, how many may be taken when a namespace gets another: the rest are for namespaces that have none. */
const COMPANION_SHARE = 1 / 2;

/**
 * The executors of a worker: one for each namespace that has work, and a spare. A tenant without an executor takes the
 * spare or a new one; where all are taken it waits its turn, and gets the one of a tenant that is idle or has had its
 * time (`tenureMs`). One whose runs wait although its executors are full, of streams for example, gets one more,
 * which is the first to go where others wait. An executor never serves a second namespace.
 */
export class ExecutorPool implements Sandbox {
  readonly #settings: SandboxSettings;
  readonly #starter: ExecutorStarter;
  readonly #tenants = new Map<string, Tenant>();
  /** Tenants that wait for an executor, in the order they came. */
  readonly #queue = new Set<Tenant>();
  /** Those that take new work, by whom they serve; draining ones have left. */
  readonly #assigned = new Map<ExecutorProcess, Tenant>();
  readonly #warmMemory: WarmMemory;
  readonly #sweeper: NodeJS.Timeout;
  #outstanding = 0;
  #isClosed = false;

  constructor(settings: SandboxSettings, parts: SandboxParts = {}) {
    this.#settings = settings;
    this.#warmMemory = new WarmMemory(settings.warmMemoryMb * MEGABYTE);
    this.#starter = new ExecutorStarter(settings, parts, {
      onReady: (ready) => this.#onReady(ready),
      onWarm: () => this.#warmMemory.onChange(),
      onChange: (changed) => this.#onChange(changed),
      onGivenBack: (job) => this.#takeBack(job),
      onDead: (dead, gaveUp) => this.#onDead(dead, gaveUp),
      onMayStart: () => this.#serveQueue(),
    });
    // Executors do not hold the worker's event loop open; this timer does while a run is under way.
    const sweepMs = Math.min(SWEEP_MS, Math.max(settings.idleExecutorMs / 2, 10));
    this.#sweeper = setInterval(() => this.#sweep(performance.now()), sweepMs).unref();
    this.#starter.refill();
    parts.metrics?.watch(() => this.#count());
  }

  invoke(invocation: Invocation, options: InvokeOptions): Promise<AttemptOutcome> {
    const { signal } = options;
    if (this.#isClosed) return Promise.resolve(executorKilled("is shut down"));
    if (signal.aborted) return Promise.resolve(CANCELLED);
    const tenant = this.#tenantOf(invocation.namespaceId);
    if (tenant.waiting.size >= this.#settings.maxWaiting) {
      const message = "Too many invocations of this namespace wait for their turn on this worker.";
      return Promise.resolve(failed("sandbox_overloaded", message, { retryable: true }));
    }
    return new Promise((resolve) => {
      const onAbort = () => {
        // Asked for anew: one that was swept meanwhile is another.
        if (this.#tenantOf(invocation.namespaceId).waiting.delete(job)) job.finish(CANCELLED);
        else job.cancel?.();
      };
      const job: Job = {
        invocation,
        options,
        call: options.http && new JobCall(options.http),
        cancel: undefined,
        finish: (outcome) => {
          forget();
          if (--this.#outstanding === 0) this.#sweeper.unref();
          resolve(outcome);
        },
      };
      const forget = whenAborted(signal, onAbort);
      if (this.#outstanding++ === 0) this.#sweeper.ref();
      tenant.waiting.add(job, performance.now());
      this.#pumpSoon(tenant);
    });
  }

  /** The process that serves a namespace now, if one does. */
  pidOf(namespaceId: string): number | undefined {
    return this.#tenants.get(namespaceId)?.executors[0]?.pid;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#sweeper);
    this.#warmMemory.close();
    for (const tenant of this.#tenants.values()) {
      clearTimeout(tenant.crowded);
      this.#failWaiting(tenant, executorKilled("is shut down"));
    }
    await this.#starter.close();
  }

  #count(): SandboxStats {
    const executors = { starting: 0, spare: 0, serving: 0, draining: 0 };
    const warm = { isolates: 0, bytes: 0 };
    let [busyIsolates, runs, waiting] = [0, 0, 0];
    for (const executor of this.#starter.processes) {
      if (executor.state === "starting" || executor.state === "draining") executors[executor.state]++;
      else if (executor.state === "ready")
        executors[executor === this.#starter.spare ? "spare" : "serving"]++;
      busyIsolates += executor.busyIsolates;
      runs += executor.runningCount;
      warm.isolates += executor.warm.isolates;
      warm.bytes += executor.warm.bytes;
    }
    for (const tenant of this.#tenants.values()) waiting += tenant.waiting.size;
    return { executors, warm, busyIsolates, runs, waiting };
  }

  #tenantOf(namespaceId: string): Tenant {
    let tenant = this.#tenants.get(namespaceId);
    if (!tenant) {
      tenant = createTenant(namespaceId);
      this.#tenants.set(namespaceId, tenant);
    }
    return tenant;
  }

  /** At once where nothing runs; else once for all that come in this turn of the event loop. */
  #pumpSoon(tenant: Tenant): void {
    if (!isAtWork(tenant)) this.#pump(tenant);
    else this.#pumpLater(tenant);
  }

  #pumpLater(tenant: Tenant): void {
    tenant.pumping ??= setImmediate(() => {
      tenant.pumping = undefined;
      this.#pump(tenant);
    });
  }

  /** Starts what waits in a tenant, as far as its executors have room. */
  #pump(tenant: Tenant): void {
    const { executors, waiting } = tenant;
    if (this.#isClosed || waiting.size === 0) return;
    if (executors.length === 0 && !this.#assign(tenant)) return;
    const now = performance.now();
    let isGathering = false;
    for (const executor of executors) {
      isGathering = this.#fill(executor, tenant, now) === "gathering";
      if (isGathering) break;
    }
    if (waiting.size === 0 || isGathering) {
      clearTimeout(tenant.crowded);
      tenant.crowded = undefined;
    } else {
      const leftMs = relievedAt(tenant, now) - now;
      // The one that waits longest may be another by now.
      if (leftMs > 0 || !tenant.crowded) this.#relieveIn(tenant, leftMs);
    }
  }

  /** `gathering`: what waits begins there in a moment, and in no other. */
  #fill(executor: ExecutorProcess, tenant: Tenant, now: number): "gathering" | "done" {
    const { waiting, executors } = tenant;
    while (waiting.size > 0 && executor.hasRoom && !executor.isCongested) {
      if (executor !== executors[0] && waitsForItsFirst(tenant, now)) break;
      const batch = waiting.takeBatch(
        (job) => executor.batchSizeFor(job),
        (job) => executor.shouldBegin(job, waiting.countLike(job)),
      );
      if (batch.length === 0) {
        tenant.gathering ??= setTimeout(() => {
          tenant.gathering = undefined;
          this.#pump(tenant);
        }, GATHER_MS.least + 1);
        return "gathering";
      }
      executor.start(batch);
    }
    return "done";
  }

  #relieveIn(tenant: Tenant, ms: number): void {
    clearTimeout(tenant.crowded);
    tenant.crowded = setTimeout(() => {
      tenant.crowded = undefined;
      this.#relieve(tenant, performance.now());
    }, ms).unref();
  }

  /** Another executor for a tenant whose own are full. One that is about to come up is waited for. */
  #relieve(tenant: Tenant, now: number): void {
    if (this.#isClosed || tenant.waiting.size === 0) return;
    if (crowdedAt(tenant, now) <= now) {
      if (isFull(tenant) && this.#hasRoomForCompanions && this.#starter.mayStart) this.#give(tenant);
      else this.#relieveIn(tenant, CROWDED_MS);
    }
    this.#pump(tenant);
  }

  get #hasRoomForCompanions(): boolean {
    const { maxExecutors } = this.#settings;
    if (this.#queue.size > 0 || this.#assigned.size >= maxExecutors * COMPANION_SHARE) return false;
    // Those that are draining hold memory, and may do so for long.
    return this.#starter.processes.size <= maxExecutors;
  }

  /** Gives a tenant its executor, or a place in the queue for one. */
  #assign(tenant: Tenant): boolean {
    const { maxExecutors } = this.#settings;
    if (this.#assigned.size >= maxExecutors) this.#releaseIdle();
    if (this.#assigned.size >= maxExecutors && this.#starter.mayStart) this.#drainCompanion();
    if (this.#assigned.size >= maxExecutors || !this.#starter.mayStart) {
      this.#queue.add(tenant);
      return false;
    }
    this.#give(tenant);
    return true;
  }

  #give(tenant: Tenant): void {
    const executor = this.#starter.take();
    executor.assignedAt = performance.now();
    tenant.executors.push(executor);
    this.#assigned.set(executor, tenant);
    // Warm memory is shared between namespaces.
    if (tenant.executors.length === 1) this.#warmMemory.add(executor);
    this.#queue.delete(tenant);
  }

  /** Ends the executor that has been idle longest, to make room. */
  #releaseIdle(): void {
    let longest: ExecutorProcess | undefined;
    for (const [executor, { waiting }] of this.#assigned) {
      if (executor.runningCount > 0 || waiting.size > 0) continue;
      if (!longest || executor.lastEndAt < longest.lastEndAt) longest = executor;
    }
    if (!longest) return;
    this.#unassign(longest);
    longest.kill("idle");
  }

  /** Has a tenant that has several executors do with one fewer; what runs there goes on. */
  #drainCompanion(): void {
    for (const [executor, tenant] of this.#assigned) {
      if (executor === tenant.executors[0] || executor.state !== "ready") continue;
      this.#unassign(executor);
      executor.drain();
      return;
    }
  }

  #unassign(executor: ExecutorProcess): Tenant | undefined {
    const tenant = this.#assigned.get(executor);
    if (!tenant) return undefined;
    this.#assigned.delete(executor);
    this.#warmMemory.remove(executor);
    const { executors } = tenant;
    const wasFirst = executors[0] === executor;
    executors.splice(executors.indexOf(executor), 1);
    if (wasFirst && executors[0]) this.#warmMemory.add(executors[0]);
    return tenant;
  }

  #onReady(executor: ExecutorProcess): void {
    const tenant = this.#assigned.get(executor);
    if (!tenant) return;
    // Others may have come to wait for one.
    if (executor !== tenant.executors[0]) this.#onChange(executor);
    else this.#pump(tenant);
  }

  /** Its executor may be draining or gone: whoever serves the tenant now starts it. */
  #takeBack(job: Job): void {
    if (this.#isClosed) {
      job.finish(executorKilled("is shut down"));
      return;
    }
    const tenant = this.#tenantOf(job.invocation.namespaceId);
    tenant.waiting.giveBack(job, performance.now());
    this.#pumpLater(tenant);
  }

  #onChange(executor: ExecutorProcess): void {
    const tenant = this.#assigned.get(executor);
    if (!tenant) return;
    if (this.#queue.size > 0 && executor.state === "ready" && this.#hasHadItsTime(executor, tenant))
      executor.drain();
    if (executor.state === "draining" || executor.state === "dead") {
      this.#unassign(executor);
      this.#serveQueue();
    }
    this.#pumpSoon(tenant);
  }

  #hasHadItsTime(executor: ExecutorProcess, tenant: Tenant): boolean {
    if (executor !== tenant.executors[0]) return true;
    if (executor.runningCount === 0 && tenant.waiting.size === 0) return true;
    return performance.now() - executor.assignedAt >= this.#settings.tenureMs;
  }

  #serveQueue(): void {
    for (const tenant of [...this.#queue]) {
      if (tenant.waiting.size === 0) this.#queue.delete(tenant);
      else this.#pump(tenant);
      // It keeps its place.
      if (this.#queue.has(tenant)) return;
    }
  }

  /** @param gaveUp several have not come up: what waits for this one is not kept waiting */
  #onDead(executor: ExecutorProcess, gaveUp: boolean): void {
    const tenant = this.#unassign(executor);
    if (this.#isClosed) return;
    if (tenant && gaveUp) {
      const message = "No process to run functions in could be started.";
      this.#failWaiting(tenant, failed("executor_unavailable", message, { retryable: true }));
    }
    if (tenant) this.#pump(tenant);
    this.#serveQueue();
  }

  #failWaiting(tenant: Tenant, outcome: AttemptOutcome): void {
    for (const job of tenant.waiting.clear()) job.finish(outcome);
  }

  /** Closes executors that nobody used for a while, and forgets their tenants. */
  #sweep(now: number): void {
    const { idleExecutorMs } = this.#settings;
    for (const [namespaceId, tenant] of this.#tenants) {
      const { executors, waiting } = tenant;
      if (waiting.size > 0) continue;
      const isBusy = isAtWork(tenant);
      for (const executor of [...executors]) {
        if (executor.runningCount > 0) continue;
        // The first stays while others work: it is the one that is warm.
        if (isBusy && executor === executors[0]) continue;
        if (now - Math.max(executor.lastEndAt, executor.assignedAt) < idleExecutorMs) continue;
        this.#unassign(executor);
        executor.kill("idle");
      }
      if (executors.length === 0) this.#tenants.delete(namespaceId);
    }
  }
}
