import { type AttemptOutcome, failed } from "../../../core/domain/attempt.ts";
import { whenAborted } from "../../../core/lazy-abort.ts";
import type { Invocation, InvokeOptions, Sandbox } from "../invocation.ts";
import type { SandboxParts, SandboxSettings } from "../settings.ts";
import { GATHER_MS } from "./batch-size.ts";
import { JobCall } from "./call/job-call.ts";
import { countSandbox } from "./count-sandbox.ts";
import { ExecutorAssignments } from "./executor-assignments.ts";
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

/**
 * The executors of a worker, and the runs that wait for a place in one: takes runs in, starts them as far as the
 * executors of their namespace have room, and sees to it that a namespace with work has an executor
 * (executor-assignments.ts).
 */
export class ExecutorPool implements Sandbox {
  readonly #settings: SandboxSettings;
  readonly #starter: ExecutorStarter;
  readonly #tenants = new Map<string, Tenant>();
  readonly #assignments: ExecutorAssignments;
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
      onMayStart: () => this.#serveWaiting(),
    });
    this.#assignments = new ExecutorAssignments(settings, this.#starter, this.#warmMemory);
    // Executors do not hold the worker's event loop open; this timer does while a run is under way.
    const sweepMs = Math.min(SWEEP_MS, Math.max(settings.idleExecutorMs / 2, 10));
    this.#sweeper = setInterval(() => this.#sweep(performance.now()), sweepMs).unref();
    this.#starter.refill();
    parts.metrics?.watch(() => countSandbox(this.#starter, this.#tenants.values()));
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
    if (executors.length === 0 && !this.#assignments.assign(tenant)) return;
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
      if (isFull(tenant) && this.#assignments.hasRoomForCompanions) this.#assignments.giveExecutor(tenant);
      else this.#relieveIn(tenant, CROWDED_MS);
    }
    this.#pump(tenant);
  }

  #onReady(executor: ExecutorProcess): void {
    const tenant = this.#assignments.servedBy(executor);
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
    const tenant = this.#assignments.servedBy(executor);
    if (!tenant) return;
    if (executor.state === "ready" && this.#assignments.mustMakeRoom(executor, tenant)) executor.drain();
    if (executor.state === "draining" || executor.state === "dead") {
      this.#assignments.unassign(executor);
      this.#serveWaiting();
    }
    this.#pumpSoon(tenant);
  }

  /** Tenants that wait for an executor, as far as executors are free. */
  #serveWaiting(): void {
    this.#assignments.serveQueue((tenant) => this.#pump(tenant));
  }

  /** @param gaveUp several have not come up: what waits for this one is not kept waiting */
  #onDead(executor: ExecutorProcess, gaveUp: boolean): void {
    const tenant = this.#assignments.unassign(executor);
    if (this.#isClosed) return;
    if (tenant && gaveUp) {
      const message = "No process to run functions in could be started.";
      this.#failWaiting(tenant, failed("executor_unavailable", message, { retryable: true }));
    }
    if (tenant) this.#pump(tenant);
    this.#serveWaiting();
  }

  #failWaiting(tenant: Tenant, outcome: AttemptOutcome): void {
    for (const job of tenant.waiting.clear()) job.finish(outcome);
  }

  /** Closes executors that nobody used for a while, and forgets their tenants. */
  #sweep(now: number): void {
    for (const [namespaceId, tenant] of this.#tenants) {
      if (tenant.waiting.size > 0) continue;
      this.#assignments.endIdle(tenant, now);
      if (tenant.executors.length === 0) this.#tenants.delete(namespaceId);
    }
  }
}
