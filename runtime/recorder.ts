/**
 * Records ended attempts, in batches that form by themselves: while one statement is in progress, attempts that end
 * gather for the next; in a backlog they gather a moment longer (`wantsMore`). Nothing is given up: a batch that fails
 * is retried until the database responds; a batch that it refuses is halved until the offending attempt is alone and
 * is recorded as failed, without its result.
 */
import type { Clock } from "../core/clock.ts";
import { UNRECORDABLE } from "../core/domain/run-errors.ts";
import { isRefusal } from "../core/store/refusal.ts";
import type { FinishedAttempt, FinishReport, TriedAttempt } from "../core/store/runs/finish.ts";
import { estimateBytes } from "./attempt-bytes.ts";
import { GATHER_MS } from "./batch-in-backlog.ts";
import { withFailureLine } from "./failure-line.ts";

export interface Recorder<A extends TriedAttempt = FinishedAttempt> {
  /**
   * Resolves once recorded, with what was recorded: the attempt, or what stands in its place where its content is
   * refused. With undefined where it was dropped, because the run was somebody else's by then.
   * @param bytes by `estimateBytes`, where that has been asked already
   */
  record(attempt: A, bytes?: number): Promise<A | undefined>;
  /** Resolves when nothing waits to be recorded. */
  flush(): Promise<void>;
}

const BATCH = 500;
const BATCH_BYTES = 4_000_000;
const CONCURRENT_BATCHES = 2;
const RETRY_MS = [50, 200, 1_000, 2_000];

interface Waiting<A> {
  attempt: A;
  bytes: number;
  resolve(recorded: A | undefined): void;
}

/** @param wantsMore whether so many that wait to be recorded wait for others a moment longer; by default they do not */
export function createRecorder<A extends TriedAttempt = FinishedAttempt>(
  write: (attempts: A[]) => Promise<FinishReport>,
  clock: Clock,
  on: { recorded(attempts: A[], report: FinishReport): void; failed(error: unknown): void },
  wantsMore: (waiting: number) => boolean = () => false,
): Recorder<A> {
  const waiting: Waiting<A>[] = [];
  const writing = new Set<Promise<void>>();
  /** The pump goes when this turn of the event loop is over. */
  let isPumpSet = false;
  let stopGathering: (() => void) | undefined;
  /** Those under way; while there are any, nothing gathers. */
  let flushes = 0;

  function takeBatch(): Waiting<A>[] {
    let bytes = 0;
    let count = 0;
    while (
      count < waiting.length &&
      count < BATCH &&
      (count === 0 || bytes + waiting[count]!.bytes <= BATCH_BYTES)
    ) {
      bytes += waiting[count]!.bytes;
      count += 1;
    }
    return waiting.splice(0, count);
  }

  async function writeBatch(batch: Waiting<A>[]): Promise<void> {
    let attempts = batch.map(({ attempt }) => attempt);
    for (let tries = 0; ; tries += 1) {
      try {
        const report = await write(attempts);
        on.recorded(attempts, report);
        for (const [index, { resolve }] of batch.entries()) {
          const attempt = attempts[index]!;
          resolve(report.recorded.has(attempt) ? attempt : undefined);
        }
        return;
      } catch (error) {
        on.failed(error);
        if (isContentRefused(error) && batch.length > 1) {
          const half = Math.ceil(batch.length / 2);
          await writeBatch(batch.slice(0, half));
          return await writeBatch(batch.slice(half));
        }
        if (isContentRefused(error)) attempts = attempts.map(withoutContent<A>);
        if (!isContentRefused(error) || tries > 0)
          await clock.sleep(RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]!);
      }
    }
  }

  /** Until there are enough, or a moment is over. */
  function gathers(): boolean {
    if (flushes === 0 && wantsMore(waiting.length)) {
      stopGathering ??= clock.after(GATHER_MS, () => {
        stopGathering = undefined;
        pump(true);
      });
      return true;
    }
    stopGathering?.();
    stopGathering = undefined;
    return false;
  }

  function pump(hasGathered = false): void {
    while (waiting.length > 0 && writing.size < CONCURRENT_BATCHES) {
      if (!hasGathered && gathers()) return;
      const written: Promise<void> = writeBatch(takeBatch()).finally(() => {
        writing.delete(written);
        pump();
      });
      writing.add(written);
    }
  }

  function pumpSet(): void {
    isPumpSet = false;
    pump();
  }

  return {
    record(attempt, bytes = estimateBytes(attempt)) {
      return new Promise((resolve) => {
        waiting.push({ attempt, bytes, resolve });
        // What ends in the same turn of the event loop travels together.
        if (!isPumpSet) setImmediate(pumpSet);
        isPumpSet = true;
      });
    },
    async flush() {
      flushes += 1;
      try {
        while (waiting.length > 0 || writing.size > 0) {
          pump();
          await Promise.all(writing);
        }
      } finally {
        flushes -= 1;
      }
    },
  };
}

const PROGRAM_LIMIT = /^54\w{3}$/;

/** The content is at fault (SQLSTATE classes data exception, integrity and program limit, or no JSON at all): again is in vain. */
function isContentRefused(error: unknown): boolean {
  if (error instanceof RangeError || isRefusal(error)) return true;
  const { code } = error as { code?: unknown };
  return typeof code === "string" && PROGRAM_LIMIT.test(code);
}

function withoutContent<A extends TriedAttempt>(attempt: A): A {
  return {
    ...attempt,
    verdict: { state: "failed", error: UNRECORDABLE },
    record: { ...attempt.record, error: UNRECORDABLE },
    // The lines may be what is refused; this one is not.
    logs:
      attempt.type === "function"
        ? withFailureLine([], UNRECORDABLE, new Date(attempt.record.finishedAt))
        : [],
  };
}
