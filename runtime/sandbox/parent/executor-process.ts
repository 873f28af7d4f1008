import type { ExecutorEnd } from "../../../core/telemetry/metrics/sandbox.ts";
import { CODE_REFUSED, type WarmMessage } from "../protocol/messages.ts";
import type { HopedWalls, SandboxLogger, SandboxParts, SandboxSettings } from "../settings.ts";
import { ExecutorChannel } from "./executor-channel.ts";
import { type ExecutorRun, isUnderWay, type Verdict } from "./executor-run.ts";
import { ExecutorRuns } from "./executor-runs.ts";
import type { Job } from "./job.ts";
import { CANCELLED, cpuExceeded, executorKilled, memoryExceeded, timedOut } from "./outcome.ts";
import { type Doom, ProcessWatch } from "./process-watch.ts";
import { type WarmReport, WarmShare } from "./warm-share.ts";

const MEGABYTE = 1_048_576;

/** Completes "The process that ran this function …". */
const WHY: Record<ExecutorEnd, string> = {
  idle: "was closed while idle",
  replaced: "was replaced",
  shutdown: "is shut down",
  start_timeout: "did not start in time",
  misbehaved: "was stopped because it misbehaved",
  memory: "was stopped because the functions in it used too much memory",
  overdue: "was stopped because another run in it did not stop in time",
  unexpected: "ended unexpectedly",
};

/** Who has been told that executors start slower than they could: all those of a worker do. */
const toldOfRefusal = new WeakSet<SandboxLogger>();

export interface ExecutorEvents {
  onReady(executor: ExecutorProcess): void;
  /** Its warm isolates are others, or hold more or less than before. */
  onWarm(): void;
  /** A run ended, the pipe drained, or new work is no longer taken: look at `state`, `hasRoom` and `isCongested`. */
  onChange(executor: ExecutorProcess): void;
  /** A run did not begin and is to be started anew. */
  onGivenBack(job: Job): void;
  /** The process is gone and every run of it has its outcome. */
  onDead(executor: ExecutorProcess): void;
}

/**
 * One executor, seen from the worker.
 *
 * starting → ready → draining → dead. `draining` takes no new run and dies with its last one; `dead` is killed or
 * gone by itself: its remaining runs get their outcome when the process is really gone, so that a result which is
 * still in the pipe counts.
 */
export class ExecutorProcess {
  state: "starting" | "ready" | "draining" | "dead" = "starting";
  /** Monotonic, when it first answered. */
  readyAt: number | undefined;
  /** Monotonic, of the last run's end. */
  lastEndAt = performance.now();
  assignedAt = 0;
  /** Why it is dead, or would be if it died now. */
  end: ExecutorEnd = "unexpected";
  readonly closed: Promise<void>;

  readonly #settings: SandboxSettings;
  readonly #logger: SandboxLogger | undefined;
  readonly #walls: HopedWalls | undefined;
  readonly #events: ExecutorEvents;
  readonly #channel: ExecutorChannel;
  readonly #runs: ExecutorRuns;
  readonly #watch: ProcessWatch<ExecutorRun>;
  readonly #warmShare = new WarmShare();
  readonly #startTimer: NodeJS.Timeout;
  /** Whether another run was in it since its memory was last measured at rest: what that left may still be there. */
  #hadCompany = false;
  #verdict: Verdict = () => executorKilled(WHY[this.end]);
  readonly #startedAt = performance.now();
  readonly #metrics: SandboxParts["metrics"];

  constructor(settings: SandboxSettings, parts: SandboxParts, events: ExecutorEvents) {
    this.#settings = settings;
    this.#logger = parts.logger;
    this.#metrics = parts.metrics;
    this.#walls = parts.walls;
    this.#events = events;
    let onClosed = () => {};
    this.closed = new Promise((resolve) => {
      onClosed = resolve;
    });
    this.#channel = new ExecutorChannel(settings, {
      onMessage: (message) => {
        if (message.t === "ready") this.#onReady();
        else if (message.t === "warm") this.#onWarm(message);
        else this.#runs.receive(message);
      },
      onBroken: (reason) => this.#onBroken(reason),
      onSaid: () => this.#tellRefusal(),
      onDrained: () => events.onChange(this),
      onGone: (code, signal) => {
        this.#onGone(code, signal);
        onClosed();
      },
    });
    this.#runs = new ExecutorRuns(settings, parts, this.#channel, {
      onChange: () => this.#onRunsChange(),
      onGivenBack: (job) => events.onGivenBack(job),
      onRecycle: () => this.#retire(),
      onBroken: (reason) => this.#onBroken(reason),
    });
    this.#watch = this.#makeWatch();
    this.#startTimer = setTimeout(() => this.kill("start_timeout"), settings.startTimeoutMs).unref();
  }

  get pid(): number | undefined {
    return this.#channel.pid;
  }

  /** What stands warm in it, as it says. */
  get warm(): WarmReport {
    return this.#warmShare.report;
  }

  /** What that may hold. */
  get warmLimitBytes(): number {
    return this.#warmShare.limitBytes;
  }

  /** Whether it ever answered. */
  get wasReady(): boolean {
    return this.readyAt !== undefined;
  }

  get runningCount(): number {
    return this.#runs.count;
  }

  /** Whether it has a place for another batch. */
  get hasRoom(): boolean {
    return this.state === "ready" && this.#runs.batches < this.#settings.isolatesPerExecutor;
  }

  /** Whether it is behind with reading: what is to begin in it waits for that. */
  get isCongested(): boolean {
    return this.#channel.isCongested;
  }

  /** Whether a run like this one should begin now, or wait a moment for others to share its batch. */
  shouldBegin(job: Job, waitingRuns: number): boolean {
    return this.#runs.shouldBegin(job, waitingRuns);
  }

  /** How many runs like this one to begin together. */
  batchSizeFor(job: Job): number {
    return this.#runs.batchSizeFor(job);
  }

  /** Begins runs in one isolate; ask `hasRoom` and `isCongested` before. */
  start(jobs: Job[]): void {
    for (const job of jobs) job.cancel = () => this.#runs.cancel(job);
    this.#hadCompany = this.#runs.count > 0;
    this.#runs.start(jobs);
    this.#watch.wake();
  }

  /** Takes no new run; the process ends with the last one under way. */
  drain(): void {
    this.#retire();
    if (this.state === "draining" && this.#runs.count === 0) this.kill("replaced");
  }

  /** What its warm isolates may hold from now on. */
  setWarmLimit(bytes: number): void {
    const isOther = this.#warmShare.setLimit(bytes);
    if (isOther && this.wasReady && this.#channel.isOpen) this.#channel.write({ t: "warm-limit", bytes });
  }

  /** It cannot have ended, or have, more isolates than runs were begun in it. */
  #onWarm({ isolates, bytes, evicted }: WarmMessage): void {
    if (isolates + evicted.memory + evicted.idle > this.#runs.begun) {
      this.#onBroken("more isolates than runs");
      return;
    }
    const { evictions } = this.#metrics ?? {};
    evictions?.inc({ cause: "memory" }, Math.max(0, evicted.memory - this.warm.evicted.memory));
    evictions?.inc({ cause: "idle" }, Math.max(0, evicted.idle - this.warm.evicted.idle));
    this.#warmShare.setReport({ isolates, bytes, evicted });
    this.#events.onWarm();
  }

  #retire(): void {
    if (this.state === "ready") this.state = "draining";
  }

  /** Isolates at work. */
  get busyIsolates(): number {
    return this.#runs.batches;
  }

  kill(end: ExecutorEnd, verdict?: Verdict): void {
    if (this.state === "dead") return;
    this.state = "dead";
    this.end = end;
    if (verdict) this.#verdict = verdict;
    this.#channel.kill();
  }

  #onReady(): void {
    if (this.state !== "starting") return;
    clearTimeout(this.#startTimer);
    this.state = "ready";
    this.readyAt = performance.now();
    if (this.warmLimitBytes > 0) this.#channel.write({ t: "warm-limit", bytes: this.warmLimitBytes });
    this.#metrics?.bootSeconds.observe((this.readyAt - this.#startedAt) / 1_000);
    this.#events.onReady(this);
  }

  #onRunsChange(): void {
    if (this.#runs.begun >= this.#settings.maxRunsPerExecutor) this.#retire();
    this.lastEndAt = performance.now();
    if (this.#runs.count === 0 && this.state === "draining") this.kill("replaced");
    this.#events.onChange(this);
  }

  #onBroken(reason: string): void {
    this.#logger?.warn({ pid: this.pid, reason }, "an executor broke the protocol and is killed");
    this.kill("misbehaved");
  }

  #makeWatch(): ProcessWatch<ExecutorRun> {
    const { slackMb, maxResidentMb } = this.#settings;
    const budget = { slackBytes: slackMb * MEGABYTE, maxBytes: maxResidentMb * MEGABYTE };
    const watched = {
      warmBytes: () => this.#warmShare.countedBytes,
      grantedBytes: () => this.#warmShare.grantedBytes,
      pid: () => this.pid,
      allowanceBytes: () => this.#runs.allowanceBytes,
      memoryMbOf: (run: ExecutorRun) => run.job.invocation.limits.memoryMb,
      runs: () => this.#runs.sent(),
      isIdle: () => this.#runs.count === 0 || this.state === "dead",
    };
    return new ProcessWatch(budget, watched, (doom) => this.#onDoom(doom));
  }

  #onDoom(doom: Doom<ExecutorRun>): void {
    const { cause } = doom;
    this.#logger?.warn({ pid: this.pid, cause, runs: this.#runs.count }, "an executor is killed");
    if (cause === "memory") this.#killForMemory();
    else this.#killForOverdue(doom.run);
  }

  #killForMemory(): void {
    const isAlone = this.#runs.batches === 1 && !this.#hadCompany;
    this.kill("memory", (run) => {
      if (run.isCancelled) return CANCELLED;
      const isGuilty = isUnderWay(run) && (run.over === "memory" || isAlone);
      return isGuilty ? memoryExceeded(run.job.invocation.limits) : executorKilled(WHY.memory);
    });
  }

  #killForOverdue(overdue: ExecutorRun): void {
    this.kill("overdue", (run) => {
      const { limits } = run.job.invocation;
      if (run.over === "memory") return memoryExceeded(limits);
      if (run.over === "cpu") return cpuExceeded(limits);
      if (run.isCancelled) return CANCELLED;
      return run === overdue ? timedOut(limits) : executorKilled(WHY.overdue);
    });
  }

  #tellRefusal(): void {
    const logger = this.#logger;
    if (!logger || toldOfRefusal.has(logger) || !this.#channel.stderr.includes(CODE_REFUSED)) return;
    toldOfRefusal.add(logger);
    logger.warn(
      { pid: this.pid },
      "V8 refused the executor's compiled code: executors start slower without it",
    );
  }

  /** Of one that has run functions only V8's own last words are told: the rest may hold their secrets. */
  #describeStderr(): string {
    const { stderr } = this.#channel;
    if (this.#runs.begun === 0) return stderr;
    return /^(?:FATAL ERROR: |# Fatal error )[\w .:'(),-]{1,120}/m.exec(stderr)?.[0] ?? "";
  }

  #onGone(code: number | null, signal: string | null): void {
    clearTimeout(this.#startTimer);
    this.#watch.close();
    if (this.state !== "dead") {
      const fields = { pid: this.pid, code, signal, runs: this.#runs.count, stderr: this.#describeStderr() };
      // One that did not come up behind walls that were only hoped for is no news.
      if (this.wasReady || this.#walls?.areKnown !== false)
        this.#logger?.warn(fields, "an executor ended unexpectedly");
      this.state = "dead";
    }
    this.#metrics?.exits.inc({ cause: this.end });
    this.#runs.finishAll(this.#verdict);
    this.#events.onDead(this);
  }
}
