import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeadLetter } from "../queue/transport.ts";
import type { EndedRun } from "../store/runs/end.ts";
import { publishDeadLetters } from "./publish-dead-letters.ts";
import { createRunEnds, type EndConsumer } from "./run-ends.ts";
import { endedRun } from "./testing/ended-run.ts";
import { wakeCallers } from "./wake-callers.ts";
import { wakeErrorGroups } from "./wake-error-groups.ts";
import { wakeScheduler } from "./wake-scheduler.ts";

const ERROR = { code: "http_status", message: "The server answered 503.", details: "no one else's business" };
const fail = (error: unknown) => assert.fail(error as Error);
const STATES = ["succeeded", "failed", "cancelled", "dead", "scheduled", "queued"] as const;

test("each consumer hears of what it takes, whatever another makes of it", () => {
  const heard: [string, EndedRun["state"][]][] = [];
  const errors: unknown[] = [];
  const hear = (name: string) => (runs: EndedRun[]) =>
    void heard.push([name, runs.map(({ state }) => state)]);
  const broken = () => {
    throw new Error("broken");
  };
  const consumers: EndConsumer[] = [
    { name: "broken", final: broken, dead: null, scheduled: null, givenBack: null },
    {
      name: "all",
      final: hear("final"),
      dead: hear("dead"),
      scheduled: hear("scheduled"),
      givenBack: hear("givenBack"),
    },
  ];
  createRunEnds(consumers, (_error, consumer) => errors.push(consumer)).tell(
    STATES.map((state) => endedRun({ state })),
  );
  assert.deepEqual(heard, [
    ["final", ["succeeded", "failed", "cancelled"]],
    ["dead", ["dead"]],
    ["scheduled", ["scheduled"]],
    ["givenBack", ["queued"]],
  ]);
  assert.deepEqual(errors, ["broken"]);
});

test("callers are woken by the ends they wait for, the scheduler by retries and failures, the topic by dead letters", async () => {
  const notified: unknown[] = [];
  const letters: DeadLetter[] = [];
  const notifier = { notify: (...said: unknown[]) => void notified.push(said), flush: async () => {} };
  const transport = { publishDeadLetters: async (given: DeadLetter[]) => void letters.push(...given) };
  const ends = createRunEnds(
    [
      ...[wakeCallers(notifier), wakeScheduler(notifier), wakeErrorGroups(notifier)],
      publishDeadLetters(transport, fail),
    ],
    fail,
  );
  const awaited = STATES.map((state) => endedRun({ state, awaited: true, error: ERROR }));
  ends.tell([...awaited, endedRun()]);
  await ends.flush();
  const idsOf = (...states: EndedRun["state"][]) =>
    awaited.filter(({ state }) => states.includes(state)).map(({ runId }) => runId);
  assert.deepEqual(notified, [
    ["bellhop_finished", idsOf("succeeded", "failed", "cancelled")],
    ["bellhop_failures"],
    ["bellhop_finished", idsOf("dead")],
    ["bellhop_failures"],
    ["bellhop_schedule"],
  ]);
  const { runId, taskId, namespaceId, endedAt } = awaited[3]!;
  const error = { code: ERROR.code, message: ERROR.message };
  assert.deepEqual(letters, [{ runId, taskId, namespaceId, error, deadAt: endedAt.toISOString() }]);
});

test("an end wakes the scheduler only where a later run of the task may be waiting for it", async () => {
  const notified: string[] = [];
  const notifier = { notify: (channel: string) => void notified.push(channel), flush: async () => {} };
  const ends = createRunEnds([wakeScheduler(notifier)], fail);
  for (const state of ["succeeded", "failed", "cancelled", "dead", "queued"] as const)
    ends.tell([endedRun({ state })]);
  assert.deepEqual(notified, []);
  for (const state of ["succeeded", "dead"] as const) ends.tell([endedRun({ state, mayHoldNext: true })]);
  assert.deepEqual(notified, ["bellhop_schedule", "bellhop_schedule"]);
});
