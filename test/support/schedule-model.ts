/**
 * What becomes of the occurrences of one task, by the words of docs/schedules.md and docs/api.md. A model to hold the
 * scheduler against: it knows the list of all instants, and shares no decision with what it judges. All times are in
 * milliseconds; instants are nominal, unless they are called effective.
 */
import type { CatchUp } from "../../core/domain/catch-up.ts";
import type { Overlap } from "../../core/domain/overlap.ts";
import type { SkipReason } from "../../core/domain/skipped.ts";

/**
 * Retries are queued this much before their instant, and occurrences too unless a pass says otherwise; one that is staged no
 * later than the other was not missed.
 */
const AHEAD_MS = 1_000;
const MISSED_AFTER_MS = 10_000;
const MOST_COUNTED = 1_000;

export interface ModelSchedule {
  /** All that it fires, in order. */
  instants: readonly number[];
  /** By how much the task fires later. */
  offsetMs: number;
  maxRuns: number | null;
}

export interface ModelPolicy {
  overlap: Overlap;
  catchUp: CatchUp | null;
}

/**
 * held (its instant has not come, an earlier one is open) → queued, waiting, skipped; waiting → queued; queued → running →
 * succeeded, dead, retrying; retrying → queued; what waits → cancelled. A running one that is asked stops by itself.
 */
export type ModelRunState =
  | "held"
  | "waiting"
  | "queued"
  | "running"
  | "retrying"
  | "dead"
  | "succeeded"
  | "cancelled";

export interface ModelRun {
  at: number;
  state: ModelRunState;
  /** When a worker may take it. */
  availableAt: number;
  /** A worker has had it. */
  wasClaimed: boolean;
  /** Its worker was asked to stop. */
  isAsked: boolean;
}

export interface ModelSkip {
  reason: SkipReason;
  count: number;
  firstAt: number;
  lastAt: number;
}

export class ModelTask {
  state: "active" | "paused" | "completed" | "cancelled" | "removed" = "active";
  runs: ModelRun[] = [];
  skips: ModelSkip[] = [];
  schedule: ModelSchedule;
  policy: ModelPolicy;
  /** Scheduled runs that it may still have; null: any number. */
  runsLeft: number | null;
  /** What fires up to here, itself included, is dealt with. */
  private doneMs: number;

  constructor(schedule: ModelSchedule, policy: ModelPolicy, nowMs: number) {
    this.schedule = schedule;
    this.policy = policy;
    this.runsLeft = schedule.maxRuns;
    this.doneMs = nowMs;
  }

  /** The next instant that is not dealt with; null: there is none. */
  get cursor(): number | null {
    if (this.state === "completed" || this.state === "cancelled" || this.state === "removed") return null;
    return this.nextAfter(this.doneMs);
  }

  private nextAfter(ms: number): number | null {
    return this.schedule.instants.find((at) => at > ms) ?? null;
  }

  /** Those that are not dealt with, up to `ms`, itself included. */
  private passedUntil(ms: number): number[] {
    return this.schedule.instants.filter((at) => at > this.doneMs && at <= ms);
  }

  private get openRuns(): ModelRun[] {
    return this.runs.filter(({ state }) => !["dead", "succeeded", "cancelled"].includes(state));
  }

  /** A scheduler looks, as long as there is something to do, and stages so long ahead: one occurrence a look, then the line. */
  pass(nowMs: number, aheadMs = AHEAD_MS): void {
    do {
      this.stageNext(nowMs, aheadMs);
      this.settle(nowMs);
    } while (this.state === "active" && this.isDue(nowMs, aheadMs));
    for (const run of this.runs)
      if (run.state === "retrying" && run.availableAt <= nowMs + AHEAD_MS) run.state = "queued";
  }

  private isDue(nowMs: number, aheadMs: number): boolean {
    return this.cursor !== null && this.cursor + this.schedule.offsetMs <= nowMs + aheadMs;
  }

  /** What fires next, with what has passed since. */
  private stageNext(nowMs: number, aheadMs: number): void {
    if (this.state !== "active") return;
    if (this.isDue(nowMs, aheadMs)) {
      const { fires, inTurn } = this.decide(nowMs - this.schedule.offsetMs, "missed");
      for (const at of fires) this.addRun(at, inTurn);
      if (this.runsLeft !== null) this.runsLeft -= fires.length;
    } else if (this.cursor !== null) return;
    if (this.cursor === null || this.runsLeft === 0) this.state = "completed";
  }

  /** Tells of what does not fire, and deals with all that has passed. */
  private decide(nominalNowMs: number, reason: SkipReason): { fires: number[]; inTurn: boolean } {
    const passed = this.passedUntil(nominalNowMs);
    const group = passed.length > 0 ? passed : [this.cursor!];
    const { policy, windowMs, max } = this.policy.catchUp ?? { policy: "latest", windowMs: null, max: 1 };
    const wasMissed = group.length > 1 || nominalNowMs - group[0]! > MISSED_AFTER_MS;
    const reachMs = policy === "none" ? MISSED_AFTER_MS : (windowMs ?? Number.POSITIVE_INFINITY);
    const newest = group.slice(-(policy === "all" ? max : 1));
    const fires = wasMissed ? newest.filter((at) => nominalNowMs - at <= reachMs) : group;
    this.tell(reason, group.slice(0, group.length - fires.length));
    const left = fires.slice(0, this.runsLeft ?? fires.length);
    this.doneMs = left.length < fires.length ? left.at(-1)! : group.at(-1)!;
    return { fires: left, inTurn: wasMissed && policy === "all" };
  }

  private tell(reason: SkipReason, instants: number[]): void {
    const counted = instants.slice(0, MOST_COUNTED);
    if (counted.length === 0) return;
    this.skips.push({ reason, count: counted.length, firstAt: counted[0]!, lastAt: counted.at(-1)! });
  }

  private addRun(at: number, inTurn: boolean): void {
    const mayOverlap = this.policy.overlap === "allow" || this.openRuns.length === 0;
    const state = inTurn ? "waiting" : mayOverlap ? "queued" : "held";
    this.runs.push({
      at,
      state,
      availableAt: at + this.schedule.offsetMs,
      wasClaimed: false,
      isAsked: false,
    });
  }

  /** The line: those that wait get their turn, and what becomes of those whose instant has come is decided. */
  private settle(nowMs: number): void {
    const isBusy = () =>
      this.runs.some(({ state, availableAt, wasClaimed }) =>
        state === "queued" ? wasClaimed || availableAt <= nowMs : ["running", "retrying"].includes(state),
      );
    const waiting = () => this.inOrder("waiting");
    const startNext = () => {
      const [first] = waiting();
      if (first && !isBusy()) first.state = "queued";
    };
    startNext();
    for (const run of this.inOrder("held").filter(({ availableAt }) => availableAt <= nowMs)) {
      const isOpen = isBusy() || waiting().length > 0;
      if (this.policy.overlap === "allow" || !isOpen) run.state = "queued";
      else if (this.policy.overlap === "cancel-previous") {
        this.cancelRuns(this.openRuns.filter((other) => other.state !== "held"));
        run.state = "waiting";
      } else if (this.policy.overlap === "wait" && waiting().length === 0) run.state = "waiting";
      else this.skip(run);
    }
    startNext();
  }

  private inOrder(state: ModelRunState): ModelRun[] {
    return this.runs.filter((run) => run.state === state).sort((one, other) => one.at - other.at);
  }

  private skip(run: ModelRun): void {
    this.runs.splice(this.runs.indexOf(run), 1);
    this.tell("overlap", [run.at]);
    if (this.runsLeft === null) return;
    this.runsLeft += 1;
    if (this.state === "completed") this.state = "active";
  }

  private cancelRuns(runs: ModelRun[]): void {
    for (const run of runs) {
      if (run.state === "running") run.isAsked = true;
      else run.state = "cancelled";
    }
  }

  /** Runs that workers may take. */
  claimable(nowMs: number): ModelRun[] {
    return this.runs.filter(({ state, availableAt }) => state === "queued" && availableAt <= nowMs);
  }

  claim(run: ModelRun): void {
    run.state = "running";
    run.wasClaimed = true;
  }

  /** @param retryAt when it is tried again */
  finish(run: ModelRun, state: "succeeded" | "dead" | "retrying", retryAt = run.availableAt): void {
    run.state = state;
    run.availableAt = retryAt;
  }

  /** What was staged ahead, and is not due yet, counts as if it never had been. */
  private takeBack(nowMs: number): void {
    const back = this.runs.filter(
      ({ state, wasClaimed, availableAt }) =>
        ["held", "waiting", "queued"].includes(state) && !wasClaimed && availableAt > nowMs,
    );
    if (back.length === 0) return;
    this.runs = this.runs.filter((run) => !back.includes(run));
    this.doneMs = Math.min(...back.map(({ at }) => at)) - 1;
    if (this.runsLeft !== null) this.runsLeft += back.length;
    if (this.state === "completed") this.state = "active";
  }

  private tellPassed(nowMs: number): void {
    if (this.state !== "active" && this.state !== "paused") return;
    const untilMs = nowMs - this.schedule.offsetMs;
    this.tell(this.state === "paused" ? "paused" : "missed", this.passedUntil(untilMs));
    this.doneMs = Math.max(this.doneMs, untilMs);
  }

  /** Whether it may be. */
  pause(nowMs: number): boolean {
    const isOver = this.wouldBeOver(nowMs);
    if (isOver) return false;
    this.takeBack(nowMs);
    if (this.state === "active") {
      this.tellPassed(nowMs);
      this.state = "paused";
    }
    return true;
  }

  resume(nowMs: number): boolean {
    const isOver = this.wouldBeOver(nowMs);
    if (isOver) return false;
    this.takeBack(nowMs);
    if (this.state !== "paused") return true;
    const nominalNowMs = nowMs - this.schedule.offsetMs;
    if (this.policy.catchUp === null || this.cursor === null || this.cursor > nominalNowMs)
      this.tellPassed(nowMs);
    else {
      const fires = this.decideAll(nominalNowMs);
      if (fires.length > 0) this.doneMs = fires[0]! - 1;
    }
    this.state = this.cursor === null ? "completed" : "active";
    return true;
  }

  /** What is caught up with fires with the next pass, which counts it. */
  private decideAll(nominalNowMs: number): number[] {
    const left = this.runsLeft;
    this.runsLeft = null;
    const { fires } = this.decide(nominalNowMs, "paused");
    this.runsLeft = left;
    return fires;
  }

  private wouldBeOver(nowMs: number): boolean {
    if (this.state === "cancelled" || this.state === "removed") return true;
    if (this.state !== "completed") return false;
    return !this.runs.some(
      ({ state, wasClaimed, availableAt }) =>
        ["held", "waiting", "queued"].includes(state) && !wasClaimed && availableAt > nowMs,
    );
  }

  /** @param schedule left out, the grid stays */
  change(nowMs: number, policy: ModelPolicy, schedule?: ModelSchedule): boolean {
    if (this.state === "cancelled" || this.state === "removed") return false;
    this.takeBack(nowMs);
    this.policy = policy;
    if (!schedule) return true;
    this.tellPassed(nowMs);
    this.schedule = schedule;
    this.runsLeft = schedule.maxRuns;
    this.doneMs = nowMs;
    if (this.state === "completed") this.state = "active";
    return true;
  }

  cancel(nowMs: number, becomes: "cancelled" | "removed" = "cancelled"): void {
    if (this.state === "removed") return;
    this.takeBack(nowMs);
    this.tellPassed(nowMs);
    this.cancelRuns(this.openRuns);
    this.state = becomes;
  }
}
