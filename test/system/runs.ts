/** What the system tests ask of recorded runs. */
import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import type { ApiClient } from "./cluster.ts";

export interface WireRun {
  id: string;
  taskId: string;
  type: string;
  state: string;
  attempt: number;
  scheduledFor: string;
  startedAt: string;
  finishedAt: string;
  workerId: string;
  result: unknown;
  error: { code: string; message: string } | null;
  attempts: { attempt: number; workerId: string; error: { code: string; message: string } | null }[];
}

export interface Listed<T> {
  items: T[];
  nextCursor: string | null;
}

export async function listAllRuns(api: ApiClient, path: string): Promise<WireRun[]> {
  const all: WireRun[] = [];
  let cursor = "";
  do {
    const page: Listed<WireRun> = await api.call("GET", `${path}?limit=200${cursor && `&cursor=${cursor}`}`);
    all.push(...page.items);
    cursor = page.nextCursor ?? "";
  } while (cursor !== "");
  return all;
}

/** Asks again until the answer satisfies; the state outside is its own signal, so there is no fixed wait to get wrong. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T>,
  isEnough: (answer: T) => boolean,
  withinMs = 120_000,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (isEnough(answer)) return answer;
    if (Date.now() > deadline)
      assert.fail(
        `${what}: not within ${withinMs} ms; last answer ${JSON.stringify(answer).slice(0, 2_000)}`,
      );
    await wait(100);
  }
}

export function latenessMs(runs: WireRun[]): number[] {
  return runs.map((run) => Date.parse(run.startedAt) - Date.parse(run.scheduledFor)).sort((a, b) => a - b);
}

export function describeLateness(runs: WireRun[]): string {
  const sorted = latenessMs(runs);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return `lateness of ${sorted.length} runs: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${sorted.at(-1)} ms`;
}

/** None early, and no occurrence of a task twice. */
export function assertFiredOnce(runs: WireRun[]): void {
  for (const run of runs) {
    assert.ok(
      Date.parse(run.startedAt) >= Date.parse(run.scheduledFor),
      `run ${run.id} started before its instant`,
    );
  }
  const occurrences = runs.map((run) => `${run.taskId} ${run.scheduledFor}`);
  assert.equal(new Set(occurrences).size, occurrences.length, "an occurrence exists twice");
}
