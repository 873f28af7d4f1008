import { failed } from "../../../core/domain/attempt.ts";
import type { IsolateFacts } from "../../../core/domain/attempt-facts.ts";
import { messageOf } from "../../../core/errors.ts";
import { FrameTooLargeError } from "../../../core/frames.ts";
import { writeJson } from "../../../core/json-source.ts";
import type { CallTell } from "../protocol/call-messages.ts";
import type { ChildMessage, ResultMessage } from "../protocol/messages.ts";
import type { SandboxParts, SandboxSettings } from "../settings.ts";
import type { ExecutorChannel } from "./executor-channel.ts";
import { type Batch, type ExecutorRun, isUnderWay, type Verdict } from "./executor-run.ts";
import { ProtocolError } from "./fetch/protocol-error.ts";
import type { Job } from "./job.ts";
import { LoadedRevisions } from "./loaded-revisions.ts";
import { CANCELLED, executorKilled } from "./outcome.ts";
import { runAllowanceBytes } from "./process-watch.ts";
import { isDurationMs } from "./read-child-message.ts";
import { judgeResult, type RunAsk, RunAsks } from "./run-asks.ts";
import { bodiesOf, toGuestStart, toInvokedRun } from "./run-facts.ts";
import { RunLog } from "./run-log.ts";

export interface RunsEvents {
  /** A run has its outcome, or its place is free again. */
  onChange(): void;
  /** A run that did not begin: it is to be started elsewhere. */
  onGivenBack(job: Job): void;
  /** The executor asks to be replaced. */
  onRecycle(): void;
  /** The executor said what cannot be. */
  onBroken(reason: string): void;
}

/**
 * The runs of one executor. A run: waits for its code → sent, behind others of its batch → under way → over. The
 * clock of its deadline starts when it is under way.
 */
export class ExecutorRuns {
  readonly #settings: SandboxSettings;
  readonly #parts: SandboxParts;
  readonly #channel: ExecutorChannel;
  readonly #events: RunsEvents;
  readonly #asks: RunAsks;
  readonly #loaded = new LoadedRevisions();
  readonly #byJob = new Map<Job, ExecutorRun>();
  readonly #sent = new Map<number, ExecutorRun>();
  #batches = 0;
  #allowanceBytes = 0;
  #nextId = 1;

  constructor(settings: SandboxSettings, parts: SandboxParts, channel: ExecutorChannel, events: RunsEvents) {
    this.#settings = settings;
    this.#parts = parts;
    this.#channel = channel;
    this.#events = events;
    this.#asks = new RunAsks(parts, channel);
  }

  get count(): number {
    return this.#byJob.size;
  }

  /** Isolates at work, or about to be. */
  get batches(): number {
    return this.#batches;
  }

  get begun(): number {
    return this.#nextId - 1;
  }

  /** What the runs may add to the resident memory, in all. */
  get allowanceBytes(): number {
    return this.#allowanceBytes;
  }

  sent(): Iterable<ExecutorRun> {
    return this.#sent.values();
  }

  /** How many runs like this one to begin together. */
  batchSizeFor({ invocation, options }: Job): number {
    return options.http?.head.hasBody ? 1 : this.#loaded.batchSizeFor(invocation);
  }

  /** Whether a run like this one should begin now, or wait a moment for others to share its batch. */
  shouldBegin({ invocation }: Job, waitingRuns: number): boolean {
    return this.#loaded.shouldBegin(invocation, waitingRuns, performance.now());
  }

  /** Begins runs that fit into one isolate. */
  start(jobs: Job[]): void {
    const { limits, revisionId } = jobs[0]!.invocation;
    const batch: Batch = {
      runs: [],
      size: jobs.length,
      allowanceBytes: runAllowanceBytes(limits.memoryMb),
      sentAt: undefined,
      results: 0,
      ranMs: 0,
      waited: false,
    };
    for (const job of jobs) {
      const run: ExecutorRun = {
        id: this.#nextId++,
        job,
        log: new RunLog(job.options.onLog, job.invocation.limits.logLines),
        batch,
        fetches: undefined,
        kv: undefined,
        wallMs: job.invocation.limits.wallMs,
        killAt: Number.POSITIVE_INFINITY,
        isSent: false,
        isCancelled: false,
        refusal: undefined,
        over: undefined,
      };
      batch.runs.push(run);
      this.#byJob.set(job, run);
    }
    this.#batches++;
    this.#allowanceBytes += batch.allowanceBytes;
    this.#loaded.beginBatch(revisionId, batch);
    if (this.#loaded.has(revisionId)) this.#send(batch);
    else void this.#loadAndSend(batch);
  }

  async #loadAndSend(batch: Batch): Promise<void> {
    const { invocation } = batch.runs[0]!.job;
    const { revisionId } = invocation;
    try {
      const fetched = this.#parts.metrics?.revisionSeconds.startTimer();
      const text = typeof invocation.code === "string" ? invocation.code : await invocation.code();
      fetched?.();
      if (batch.runs.length === 0 || !this.#channel.isOpen) return;
      if (!this.#loaded.has(revisionId)) this.#load(revisionId, text);
    } catch (thrown) {
      this.#parts.logger?.warn(
        { revisionId, err: messageOf(thrown) },
        "a revision's code could not be loaded",
      );
      const message = "The function's code could not be loaded.";
      for (const run of [...batch.runs]) {
        this.#finish(run, failed("function_unavailable", message, { retryable: true }));
      }
      return;
    }
    this.#send(batch);
  }

  #load(revisionId: string, code: string): void {
    this.#channel.write({ t: "load", revisionId, code });
    for (const evicted of this.#loaded.add(revisionId, code)) {
      this.#channel.write({ t: "unload", revisionId: evicted });
    }
  }

  #send(batch: Batch): void {
    const [first] = batch.runs;
    if (first === undefined) return;
    const { revisionId, reuse, limits } = first.job.invocation;
    for (const run of batch.runs) run.wallMs = run.job.invocation.fitWallMs?.() ?? run.wallMs;
    const runs = batch.runs.map(toInvokedRun);
    const starts = writeJson(batch.runs.map(toGuestStart));
    try {
      const { memoryMb } = limits;
      const startsChars = starts.length;
      const message = { t: "invoke", revisionId, memoryMb, reuse, runs, startsChars } as const;
      this.#channel.write(message, starts + bodiesOf(batch.runs));
    } catch (thrown) {
      if (!(thrown instanceof FrameTooLargeError)) throw thrown;
      this.#refuseLarge(batch);
      return;
    }
    batch.sentAt = performance.now();
    for (const run of batch.runs) {
      run.isSent = true;
      this.#sent.set(run.id, run);
    }
    this.#setClock(first);
  }

  /** One input is too large for a frame, or several are together. */
  #refuseLarge(batch: Batch): void {
    if (batch.runs.length > 1) {
      this.#giveBack(batch.runs.splice(1));
      this.#send(batch);
      return;
    }
    const message = "The function's input is too large.";
    this.#finish(batch.runs[0]!, failed("input_too_large", message, { retryable: false }));
  }

  #setClock(run: ExecutorRun): void {
    run.killAt = performance.now() + run.wallMs + this.#settings.killGraceMs;
    run.job.options.onBegin?.();
    run.job.call?.attach((message) => {
      if (this.#channel.isOpen) this.#channel.write({ ...message, id: run.id } as CallTell);
    });
    if (run.isCancelled) this.#sendCancel(run);
  }

  #sendCancel(run: ExecutorRun): void {
    run.killAt = Math.min(run.killAt, performance.now() + this.#settings.killGraceMs);
    if (this.#channel.isOpen) this.#channel.write({ t: "cancel", id: run.id });
  }

  /** Asks a run to stop; its outcome follows, at the latest when the executor was killed for it. */
  cancel(job: Job): void {
    const run = this.#byJob.get(job);
    if (!run || run.isCancelled) return;
    run.isCancelled = true;
    if (!run.isSent) this.#finish(run, CANCELLED);
    else if (isUnderWay(run)) this.#sendCancel(run);
  }

  receive(message: Exclude<ChildMessage, { t: "ready" | "warm" }>): void {
    if (message.t === "unstarted") {
      this.#onUnstarted(message.ids);
      return;
    }
    const run = this.#sent.get(message.id);
    // Of a run that ended meanwhile.
    if (!run) return;
    switch (message.t) {
      case "log":
        run.log.add(message);
        break;
      case "over":
        run.over = message.what;
        run.killAt = Math.min(run.killAt, performance.now() + this.#settings.killGraceMs);
        break;
      case "result":
        this.#onResult(run, message);
        break;
      default:
        this.#onAsk(run, message);
    }
  }

  #onAsk(run: ExecutorRun, ask: RunAsk): void {
    this.#loaded.noteWaiting(run.job.invocation.revisionId, run.batch, performance.now());
    try {
      this.#asks.receive(run, ask);
      if (run.refusal) this.#sendCancel(run);
    } catch (thrown) {
      if (!(thrown instanceof ProtocolError)) throw thrown;
      this.#events.onBroken(thrown.message);
    }
  }

  #onResult(run: ExecutorRun, message: ResultMessage): void {
    if (!isUnderWay(run)) {
      this.#events.onBroken("a result of a run that is not under way");
      return;
    }
    run.log.drop(message.droppedLines);
    this.#tellIsolate(run, message);
    run.batch.ranMs = message.ranMs ?? 0;
    run.batch.waited ||= message.waited === true;
    if (message.recycle) this.#events.onRecycle();
    const outcome = run.refusal ?? judgeResult(run, message);
    // A cancel that nobody asked for is a taken-over executor's word.
    const isForged = outcome.kind === "cancelled" && !run.isCancelled;
    this.#finish(run, isForged ? executorKilled("misbehaved") : outcome);
  }

  #tellIsolate({ batch, job }: ExecutorRun, message: ResultMessage): void {
    const { reused, loadMs, ranMs, heldBytes } = message;
    const { metrics } = this.#parts;
    batch.results += 1;
    const facts: IsolateFacts = { start: reused ? "warm" : "cold" };
    if (loadMs !== undefined) facts.loadMs = loadMs;
    // The last of a batch tells how long all of it took; of an isolate that was ended that is not known.
    if (isDurationMs(ranMs)) facts.cpuMs = ranMs / batch.results;
    if (heldBytes !== undefined) facts.heldBytes = heldBytes;
    job.options.onIsolate?.(facts);
    metrics?.isolateRuns.inc({ isolate: reused ? "warm" : "cold" });
    if (!reused && loadMs !== undefined) metrics?.coldStartSeconds.observe(loadMs / 1_000);
  }

  #onUnstarted(ids: number[]): void {
    for (const id of ids) {
      const run = this.#sent.get(id);
      if (!run) continue;
      if (isUnderWay(run)) {
        this.#events.onBroken("a run that is under way was given back");
        return;
      }
      const { runs } = run.batch;
      runs.splice(runs.indexOf(run), 1);
      this.#giveBack([run]);
    }
  }

  #giveBack(runs: ExecutorRun[]): void {
    for (const run of runs) {
      this.#sent.delete(run.id);
      this.#byJob.delete(run.job);
      run.job.cancel = undefined;
      if (run.isCancelled) run.job.finish(CANCELLED);
      else this.#events.onGivenBack(run.job);
    }
  }

  /** Every run that is left gets its outcome. */
  finishAll(verdict: Verdict): void {
    // Judged before the first is finished: the next of its batch would look as if it had been under way.
    const verdicts = [...this.#byJob.values()].map((run) => [run, verdict(run)] as const);
    for (const [run, outcome] of verdicts) this.#finish(run, outcome);
  }

  #finish(run: ExecutorRun, outcome: Parameters<Job["finish"]>[0]): void {
    if (!this.#byJob.delete(run.job)) return;
    this.#sent.delete(run.id);
    this.#asks.close(run);
    const { batch } = run;
    if (batch.runs[0] === run) batch.runs.shift();
    else batch.runs.splice(batch.runs.indexOf(run), 1);
    const [next] = batch.runs;
    if (next === undefined) this.#endBatch(batch, run.job.invocation.revisionId);
    else if (next.isSent && this.#channel.isOpen) this.#setClock(next);
    run.log.close();
    run.job.finish(outcome);
    this.#events.onChange();
  }

  #endBatch(batch: Batch, revisionId: string): void {
    this.#batches--;
    this.#allowanceBytes -= batch.allowanceBytes;
    this.#loaded.endBatch(revisionId, batch, performance.now());
  }
}
