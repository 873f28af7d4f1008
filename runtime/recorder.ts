/**
 * Records attempts that ended, in batches that make themselves: while one statement is under way, what ends
 * meanwhile gathers for the next. Nothing is given up: a batch that fails is tried again until the database answers.
 */
import type { Clock } from "../core/clock.ts";
import type { FinishedAttempt, FinishReport } from "../core/store/runs/finish.ts";

export interface Recorder {
  /** Resolves once recorded (true), or dropped because the run was somebody else's by then (false). */
  record(attempt: FinishedAttempt): Promise<boolean>;
  /** Resolves when nothing waits to be recorded. */
  flush(): Promise<void>;
}

const BATCH = 500;
const BATCH_BYTES = 4_000_000;
const CONCURRENT_BATCHES = 2;
const RETRY_MS = [50, 200, 1_000, 2_000];

interface Waiting {
  attempt: FinishedAttempt;
  bytes: number;
  resolve(recorded: boolean): void;
}

export function createRecorder(
  write: (attempts: FinishedAttempt[]) => Promise<FinishReport>,
  clock: Clock,
  on: { recorded(attempts: FinishedAttempt[], report: FinishReport): void; failed(error: unknown): void },
): Recorder {
  const waiting: Waiting[] = [];
  const writing = new Set<Promise<void>>();

  function takeBatch(): Waiting[] {
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

  async function writeBatch(batch: Waiting[]): Promise<void> {
    const attempts = batch.map(({ attempt }) => attempt);
    for (let tries = 0; ; tries += 1) {
      try {
        const report = await write(attempts);
        on.recorded(attempts, report);
        for (const { attempt, resolve } of batch) resolve(report.recorded.has(attempt.runId));
        return;
      } catch (error) {
        on.failed(error);
        await clock.sleep(RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]!);
      }
    }
  }

  function pump(): void {
    while (waiting.length > 0 && writing.size < CONCURRENT_BATCHES) {
      const written: Promise<void> = writeBatch(takeBatch()).finally(() => {
        writing.delete(written);
        pump();
      });
      writing.add(written);
    }
  }

  return {
    record(attempt) {
      return new Promise((resolve) => {
        waiting.push({ attempt, bytes: estimateBytes(attempt), resolve });
        // A microtask later, so that what ends in the same turn travels together.
        queueMicrotask(pump);
      });
    },
    async flush() {
      while (waiting.length > 0 || writing.size > 0) await Promise.all(writing);
    },
  };
}

function estimateBytes({ verdict, logs }: FinishedAttempt): number {
  const result =
    "result" in verdict && typeof verdict.result === "object" ? JSON.stringify(verdict.result).length : 200;
  return logs.reduce((sum, { message }) => sum + message.length + 300, result);
}
