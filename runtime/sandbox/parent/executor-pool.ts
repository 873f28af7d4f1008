import { type AttemptOutcome, failed } from "../../../core/domain/attempt.ts";
import type { SandboxStats } from "../../../core/telemetry/metrics/sandbox.ts";
import type { Invocation, InvokeOptions, Sandbox } from "../invocation.ts";
import type { HopedWalls, SandboxParts, SandboxSettings } from "../settings.ts";
import { GATHER_MS } from "./batch-size.ts";
import { JobCall } from "./call/job-call.ts";
import { standingWalls } from "./executor-command.ts";
import { ExecutorProcess } from "./executor-process.ts";
import type { Job } from "./job.ts";
import { JobQueue } from "./job-queue.ts";
import { CANCELLED, executorKilled } from "./outcome.ts";
import { WarmMemory } from "./warm-memory.ts";

const MEGABYTE = 1_048_576;

/** A spare is replaced a moment after it was taken, so that its start does not slow the run that took it. */
const REFILL_MS = 50;
const SWEEP_MS = 30_000;
const MAX_START_FAILURES = 3;
const START_BACKOFF_MS = { initial: 100, max: 5_000 };

/** A namespace: what of it waits, and the executor that serves it. */
interface Tenant {
  readonly namespaceId: string;
  executor: ExecutorProcess | undefined;
  readonly waiting: JobQueue;
  pumping: NodeJS.Immediate | undefined;
  /** Set while runs wait for others to share their batch. */
  gathering: NodeJS.Timeout | undefined;
}

/**
 * The executors of a worker: one for each namespace that has work, and a spare. A tenant without an executor takes the
 * spare or a new one; where all are taken it waits its turn, and gets the one of a tenant that is idle or has had its
 * time (`tenureMs`). An executor never serves a second namespace.
 */
export class ExecutorPool implements Sandbox {
  readonly #settings: SandboxSettings;
  readonly #parts: SandboxParts;
  readonly #walls: HopedWalls | undefined;
  readonly #tenants = new Map<string, Tenant>();
  /** Tenants that wait for an executor, in the order they came. */
  readonly #queue = new Set<Tenant>();
  readonly #processes = new Set<ExecutorProcess>();
  /** Those that take new work, by whom they serve; draining ones have left. */
  readonly #assigned = new Map<ExecutorProcess, Tenant>();
  readonly #warmMemory: WarmMemory;
  readonly #sweeper: NodeJS.Timeout;
  #spare: ExecutorProcess | undefined;
  #refill: NodeJS.Timeout | undefined;
  /** While it lasts no executor is started. */
  #pause: Promise<void> | undefined;
  #pauseTimer: NodeJS.Timeout | undefined;
  #startFailures = 0;
  #outstanding = 0;
  #isClosed = false;

  constructor(settings: SandboxSettings, parts: SandboxParts = {}) {
    this.#settings = settings;
    this.#warmMemory = new WarmMemory(settings.warmMemoryMb * MEGABYTE);
    this.#walls = parts.walls ?? (settings.spawn ? undefined : standingWalls());
    this.#parts = this.#walls ? { ...parts, walls: this.#walls } : parts;
    // Executors do not hold the worker's event loop open; this timer does while a run is under way.
    const sweepMs = Math.min(SWEEP_MS, Math.max(settings.idleExecutorMs / 2, 10));
    this.#sweeper = setInterval(() => this.#sweep(performance.now()), sweepMs).unref();
    this.#refillSpare();
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
          signal.removeEventListener("abort", onAbort);
          if (--this.#outstanding === 0) this.#sweeper.unref();
          resolve(outcome);
        },
      };
      signal.addEventListener("abort", onAbort);
      if (this.#outstanding++ === 0) this.#sweeper.ref();
      tenant.waiting.add(job);
      this.#pumpSoon(tenant);
    });
  }

  /** The process that serves a namespace now, if one does. */
  pidOf(namespaceId: string): number | undefined {
    return this.#tenants.get(namespaceId)?.executor?.pid;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#sweeper);
    clearTimeout(this.#refill);
    clearTimeout(this.#pauseTimer);
    this.#warmMemory.close();
    for (const tenant of this.#tenants.values()) this.#failWaiting(tenant, executorKilled("is shut down"));
    const processes = [...this.#processes];
    for (const executor of processes) executor.kill("shutdown");
    await Promise.all(processes.map((executor) => executor.closed));
  }

  #count(): SandboxStats {
    const executors = { starting: 0, spare: 0, serving: 0, draining: 0 };
    const warm = { isolates: 0, bytes: 0 };
    let [busyIsolates, runs, waiting] = [0, 0, 0];
    for (const executor of this.#processes) {
      if (executor.state === "starting" || executor.state === "draining") executors[executor.state]++;
      else if (executor.state === "ready") executors[executor === this.#spare ? "spare" : "serving"]++;
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
      tenant = {
        namespaceId,
        executor: undefined,
        waiting: new JobQueue(),
        pumping: undefined,
        gathering: undefined,
      };
      this.#tenants.set(namespaceId, tenant);
    }
    return tenant;
  }

  /** At once where nothing runs; else once for all that come in this turn of the event loop. */
  #pumpSoon(tenant: Tenant): void {
    if ((tenant.executor?.runningCount ?? 0) === 0) this.#pump(tenant);
    else this.#pumpLater(tenant);
  }

  #pumpLater(tenant: Tenant): void {
    tenant.pumping ??= setImmediate(() => {
      tenant.pumping = undefined;
      this.#pump(tenant);
    });
  }

  /** Starts what waits in a tenant, as far as its executor has room. */
  #pump(tenant: Tenant): void {
    if (this.#isClosed || tenant.waiting.size === 0) return;
    if (!tenant.executor && !this.#assign(tenant)) return;
    const executor = tenant.executor!;
    while (executor.hasRoom && tenant.waiting.size > 0) {
      if (!executor.shouldBegin(tenant.waiting.first!, tenant.waiting.size)) {
        tenant.gathering ??= setTimeout(() => {
          tenant.gathering = undefined;
          this.#pump(tenant);
        }, GATHER_MS + 1);
        return;
      }
      executor.start(tenant.waiting.takeBatch((job) => executor.batchSizeFor(job)));
    }
  }

  /** Gives a tenant its executor, or a place in the queue for one. */
  #assign(tenant: Tenant): boolean {
    const { maxExecutors } = this.#settings;
    if (this.#assigned.size >= maxExecutors) this.#releaseIdle();
    const mayStart = this.#pause === undefined && this.#processes.size <= 2 * maxExecutors;
    if (this.#assigned.size >= maxExecutors || !(this.#spare || mayStart)) {
      this.#queue.add(tenant);
      return false;
    }
    const executor = this.#spare ?? this.#spawn();
    this.#spare = undefined;
    executor.assignedAt = performance.now();
    tenant.executor = executor;
    this.#assigned.set(executor, tenant);
    this.#warmMemory.add(executor);
    this.#queue.delete(tenant);
    this.#refill ??= setTimeout(() => this.#refillSpare(), REFILL_MS).unref();
    return true;
  }

  /** Ends the executor that has been idle longest, to make room. */
  #releaseIdle(): void {
    let longest: ExecutorProcess | undefined;
    for (const [executor, { waiting }] of this.#assigned) {
      if (executor.runningCount > 0 || waiting.size > 0) continue;
      if (!longest || executor.idleSince < longest.idleSince) longest = executor;
    }
    if (!longest) return;
    this.#unassign(longest);
    longest.kill("idle");
  }

  #unassign(executor: ExecutorProcess): Tenant | undefined {
    const tenant = this.#assigned.get(executor);
    if (!tenant) return undefined;
    this.#assigned.delete(executor);
    this.#warmMemory.remove(executor);
    tenant.executor = undefined;
    return tenant;
  }

  #spawn(): ExecutorProcess {
    const executor = new ExecutorProcess(this.#settings, this.#parts, {
      onReady: (ready) => {
        this.#startFailures = 0;
        this.#walls?.confirm();
        const tenant = this.#assigned.get(ready);
        if (tenant) this.#pump(tenant);
      },
      onWarm: () => this.#warmMemory.onChange(),
      onChange: (changed) => this.#onChange(changed),
      onGivenBack: (job) => this.#takeBack(job),
      onDead: (dead) => this.#onDead(dead),
    });
    this.#processes.add(executor);
    return executor;
  }

  /** Its executor may be draining or gone: whoever serves the tenant now starts it. */
  #takeBack(job: Job): void {
    if (this.#isClosed) {
      job.finish(executorKilled("is shut down"));
      return;
    }
    const tenant = this.#tenantOf(job.invocation.namespaceId);
    tenant.waiting.giveBack(job);
    this.#pumpLater(tenant);
  }

  #refillSpare(): void {
    clearTimeout(this.#refill);
    this.#refill = undefined;
    if (this.#isClosed || this.#spare || this.#pause || this.#settings.spareExecutors === 0) return;
    this.#spare = this.#spawn();
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

  #onDead(executor: ExecutorProcess): void {
    this.#processes.delete(executor);
    if (this.#spare === executor) this.#spare = undefined;
    const tenant = this.#unassign(executor);
    if (this.#isClosed) return;
    if (!executor.wasReady) {
      if (this.#walls?.areKnown === false) this.#pauseStarts(this.#walls.tryOut());
      else this.#onFailedStart(tenant);
    }
    if (tenant) this.#pump(tenant);
    this.#serveQueue();
    this.#refill ??= setTimeout(() => this.#refillSpare(), REFILL_MS).unref();
  }

  /** Waits before the next start, longer each time; gives up on what waits after a few. */
  #onFailedStart(tenant: Tenant | undefined): void {
    this.#startFailures++;
    if (tenant && this.#startFailures >= MAX_START_FAILURES) {
      const message = "No process to run functions in could be started.";
      this.#failWaiting(tenant, failed("executor_unavailable", message, { retryable: true }));
    }
    const backoffMs = Math.min(START_BACKOFF_MS.initial * 2 ** this.#startFailures, START_BACKOFF_MS.max);
    this.#pauseStarts(
      new Promise((resolve) => {
        this.#pauseTimer = setTimeout(resolve, backoffMs).unref();
      }),
    );
  }

  #pauseStarts(over: Promise<void>): void {
    this.#pause ??= over.then(() => {
      this.#pause = undefined;
      if (this.#isClosed) return;
      this.#serveQueue();
      this.#refillSpare();
    });
  }

  #failWaiting(tenant: Tenant, outcome: AttemptOutcome): void {
    for (const job of tenant.waiting.clear()) job.finish(outcome);
  }

  /** Closes executors that nobody used for a while, and forgets their tenants. */
  #sweep(now: number): void {
    for (const [namespaceId, tenant] of this.#tenants) {
      const { executor, waiting } = tenant;
      if (waiting.size > 0 || (executor?.runningCount ?? 0) > 0) continue;
      if (executor && now - Math.max(executor.idleSince, executor.assignedAt) < this.#settings.idleExecutorMs)
        continue;
      if (executor) {
        this.#unassign(executor);
        executor.kill("idle");
      }
      this.#tenants.delete(namespaceId);
    }
  }
}
