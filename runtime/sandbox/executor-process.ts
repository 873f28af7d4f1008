import { type AttemptOutcome, failed } from "../../core/domain/attempt.ts";
import { messageOf } from "../../core/errors.ts";
import { ByteLru } from "./byte-lru.ts";
import { ExecutorChannel } from "./executor-channel.ts";
import { FrameTooLargeError } from "./frames.ts";
import type { Invocation, InvokeOptions } from "./invocation.ts";
import { CANCELLED, executorKilled, memoryExceeded, timedOut, toOutcome } from "./outcome.ts";
import { type Doom, ProcessWatch, runAllowanceBytes } from "./process-watch.ts";
import type { ChildMessage, GuestFacts } from "./protocol.ts";
import { RunLog } from "./run-log.ts";
import type { SandboxLogger, SandboxSettings } from "./settings.ts";

const MEGABYTE = 1_048_576;
const MAX_LOADED_CODE_BYTES = 32_000_000;

/** An invocation on its way through the sandbox. */
export interface Job {
  readonly invocation: Invocation;
  readonly options: InvokeOptions;
  /** Where it runs, once it does. */
  executor: ExecutorProcess | undefined;
  /** Takes the outcome; called once. */
  finish(outcome: AttemptOutcome): void;
}

interface Run {
  readonly id: number;
  readonly job: Job;
  readonly log: RunLog;
  readonly allowanceBytes: number;
  /** When its executor is killed for its sake; Infinity until it was sent. */
  killAt: number;
  isSent: boolean;
  isCancelled: boolean;
  isOverMemory: boolean;
}

export interface ExecutorEvents {
  onReady(executor: ExecutorProcess): void;
  /** A run ended, the pipe drained, or new work is no longer taken: look at `state` and `hasRoom`. */
  onChange(executor: ExecutorProcess): void;
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
  /** Whether it ever answered. */
  wasReady = false;
  /** Monotonic, of the last run's end. */
  idleSince = performance.now();
  assignedAt = 0;
  readonly closed: Promise<void>;

  readonly #settings: SandboxSettings;
  readonly #logger: SandboxLogger | undefined;
  readonly #events: ExecutorEvents;
  readonly #channel: ExecutorChannel;
  readonly #watch: ProcessWatch<Run>;
  readonly #loaded = new ByteLru<true>(MAX_LOADED_CODE_BYTES);
  readonly #runs = new Map<Job, Run>();
  readonly #sent = new Map<number, Run>();
  readonly #startTimer: NodeJS.Timeout;
  #allowanceBytes = 0;
  #nextId = 1;
  #verdict: (run: Run) => AttemptOutcome = () => executorKilled("ended unexpectedly");

  constructor(settings: SandboxSettings, logger: SandboxLogger | undefined, events: ExecutorEvents) {
    this.#settings = settings;
    this.#logger = logger;
    this.#events = events;
    let onClosed = () => {};
    this.closed = new Promise((resolve) => {
      onClosed = resolve;
    });
    this.#channel = new ExecutorChannel(settings, {
      onMessage: (message) => (message.t === "ready" ? this.#onReady() : this.#onRunMessage(message)),
      onBroken: (reason) => {
        logger?.warn({ pid: this.pid, reason }, "an executor broke the protocol and is killed");
        this.kill("was stopped because it misbehaved");
      },
      onDrained: () => events.onChange(this),
      onGone: (code, signal) => {
        this.#onGone(code, signal);
        onClosed();
      },
    });
    this.#watch = this.#makeWatch();
    this.#startTimer = setTimeout(() => this.kill("did not start in time"), settings.startTimeoutMs).unref();
  }

  get pid(): number | undefined {
    return this.#channel.pid;
  }

  get runningCount(): number {
    return this.#runs.size;
  }

  get hasRoom(): boolean {
    return (
      this.state === "ready" &&
      !this.#channel.isCongested &&
      this.#runs.size < this.#settings.isolatesPerExecutor
    );
  }

  /** Begins a run; ask `hasRoom` before. */
  start(job: Job): void {
    const { invocation, options } = job;
    job.executor = this;
    const run: Run = {
      id: this.#nextId++,
      job,
      log: new RunLog(options.onLog),
      allowanceBytes: runAllowanceBytes(invocation.limits.memoryMb),
      killAt: Number.POSITIVE_INFINITY,
      isSent: false,
      isCancelled: false,
      isOverMemory: false,
    };
    this.#runs.set(job, run);
    this.#allowanceBytes += run.allowanceBytes;
    this.#watch.wake();
    if (this.#loaded.get(invocation.revisionId)) this.#send(run);
    else void this.#loadAndSend(run);
  }

  async #loadAndSend(run: Run): Promise<void> {
    const { revisionId, code } = run.job.invocation;
    try {
      const text = typeof code === "string" ? code : await code();
      if (this.state === "dead" || !this.#runs.has(run.job)) return;
      if (!this.#loaded.get(revisionId)) {
        this.#channel.write({ t: "load", revisionId, code: text });
        for (const evicted of this.#loaded.set(revisionId, true, text.length * 2)) {
          this.#channel.write({ t: "unload", revisionId: evicted });
        }
      }
    } catch (thrown) {
      this.#logger?.warn({ revisionId, err: messageOf(thrown) }, "a revision's code could not be loaded");
      this.#finish(
        run,
        failed("function_unavailable", "The function's code could not be loaded.", { retryable: true }),
      );
      return;
    }
    this.#send(run);
  }

  #send(run: Run): void {
    const { runId, attempt, scheduledFor, deadlineAt, env, input, revisionId, limits } = run.job.invocation;
    const facts: GuestFacts = {
      runId,
      attempt,
      scheduledFor: scheduledFor.getTime(),
      deadlineAt: deadlineAt.getTime(),
      env,
    };
    const { memoryMb, wallMs } = limits;
    try {
      this.#channel.write({
        t: "invoke",
        id: run.id,
        revisionId,
        input: JSON.stringify(input),
        facts: JSON.stringify(facts),
        memoryMb,
        wallMs,
      });
    } catch (thrown) {
      if (!(thrown instanceof FrameTooLargeError)) throw thrown;
      this.#finish(
        run,
        failed("input_too_large", "The function's input is too large.", { retryable: false }),
      );
      return;
    }
    run.isSent = true;
    run.killAt = performance.now() + wallMs + this.#settings.killGraceMs;
    this.#sent.set(run.id, run);
  }

  /** Asks a run to stop; its outcome follows, at the latest when the executor was killed for it. */
  cancel(job: Job): void {
    const run = this.#runs.get(job);
    if (!run || run.isCancelled) return;
    if (!run.isSent) {
      this.#finish(run, CANCELLED);
      return;
    }
    run.isCancelled = true;
    run.killAt = Math.min(run.killAt, performance.now() + this.#settings.killGraceMs);
    if (this.state !== "dead") this.#channel.write({ t: "cancel", id: run.id });
  }

  /** Takes no new run; the process ends with the last one under way. */
  drain(): void {
    if (this.state !== "ready") return;
    this.state = "draining";
    if (this.#runs.size === 0) this.kill("was replaced");
  }

  /** `why` completes "The process that ran this function …". */
  kill(why: string, verdict: (run: Run) => AttemptOutcome = () => executorKilled(why)): void {
    if (this.state === "dead") return;
    this.state = "dead";
    this.#verdict = verdict;
    this.#channel.kill();
  }

  #onRunMessage(message: Exclude<ChildMessage, { t: "ready" }>): void {
    const run = this.#sent.get(message.id);
    // Of a run that ended meanwhile.
    if (!run) return;
    switch (message.t) {
      case "log":
        run.log.add(message);
        break;
      case "over":
        run.isOverMemory = true;
        run.killAt = Math.min(run.killAt, performance.now() + this.#settings.killGraceMs);
        break;
      case "result": {
        run.log.drop(message.droppedLines);
        const isWorn = this.#nextId > this.#settings.maxRunsPerExecutor;
        if ((message.recycle || isWorn) && this.state === "ready") this.state = "draining";
        const outcome = toOutcome(message);
        // A cancel that nobody asked for is a taken-over executor's word.
        const isForged = outcome.kind === "cancelled" && !run.isCancelled;
        this.#finish(run, isForged ? executorKilled("misbehaved") : outcome);
        break;
      }
    }
  }

  #onReady(): void {
    if (this.state !== "starting") return;
    clearTimeout(this.#startTimer);
    this.state = "ready";
    this.wasReady = true;
    this.#events.onReady(this);
  }

  #finish(run: Run, outcome: AttemptOutcome): void {
    if (!this.#runs.delete(run.job)) return;
    this.#sent.delete(run.id);
    this.#allowanceBytes -= run.allowanceBytes;
    run.log.close();
    run.job.finish(outcome);
    if (this.#runs.size === 0) {
      this.idleSince = performance.now();
      if (this.state === "draining") this.kill("was replaced");
    }
    this.#events.onChange(this);
  }

  #makeWatch(): ProcessWatch<Run> {
    const { slackMb, maxResidentMb } = this.#settings;
    const budget = { slackBytes: slackMb * MEGABYTE, maxBytes: maxResidentMb * MEGABYTE };
    const watched = {
      allowanceBytes: () => this.#allowanceBytes,
      runs: () => this.#sent.values(),
      isIdle: () => this.#runs.size === 0 || this.state === "dead",
    };
    return new ProcessWatch(this.pid ?? -1, budget, watched, (doom) => this.#onDoom(doom));
  }

  #onDoom(doom: Doom<Run>): void {
    const { cause } = doom;
    this.#logger?.warn({ pid: this.pid, cause, runs: this.#runs.size }, "an executor is killed");
    if (cause === "memory") this.#killForMemory();
    else this.#killForOverdue(doom.run);
  }

  #killForMemory(): void {
    const why = "was stopped because the functions in it used too much memory";
    const isAlone = this.#runs.size === 1;
    this.kill(why, (run) =>
      run.isOverMemory || isAlone ? memoryExceeded(run.job.invocation.limits.memoryMb) : executorKilled(why),
    );
  }

  #killForOverdue(overdue: Run): void {
    const why = "was stopped because another run in it did not stop in time";
    this.kill(why, (run) => {
      if (run.isOverMemory) return memoryExceeded(run.job.invocation.limits.memoryMb);
      if (run.isCancelled) return CANCELLED;
      return run === overdue ? timedOut() : executorKilled(why);
    });
  }

  #onGone(code: number | null, signal: string | null): void {
    clearTimeout(this.#startTimer);
    this.#watch.close();
    if (this.state !== "dead") {
      const fields = { pid: this.pid, code, signal, runs: this.#runs.size, stderr: this.#channel.stderr };
      this.#logger?.warn(fields, "an executor ended unexpectedly");
      this.state = "dead";
    }
    for (const run of [...this.#runs.values()]) this.#finish(run, this.#verdict(run));
    this.#events.onDead(this);
  }
}
