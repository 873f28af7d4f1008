import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndState } from "../store/runs/end.ts";
import { grantReturnedPermits } from "./grant-permits.ts";
import { createRunEnds } from "./run-ends.ts";
import { endedRun } from "./testing/ended-run.ts";

const open = (...parts: Parameters<typeof grantReturnedPermits>) =>
  createRunEnds([grantReturnedPermits(...parts)], fail);
const fail = (error: unknown) => assert.fail(error as Error);
const of = (state: EndState, ...wantedKeys: string[]) => [endedRun({ state, wantedKeys })];

test("what ends in one turn is looked for together, what ends during a look in the next", async () => {
  const looks: string[][] = [];
  const gate = Promise.withResolvers<void>();
  const ends = open(
    async (keys) => {
      looks.push(keys);
      await gate.promise;
      return [];
    },
    async () => assert.fail("nothing was granted"),
    fail,
  );
  ends.tell(of("succeeded", "a", "b"));
  ends.tell(of("dead", "a"));
  await Promise.resolve();
  ends.tell(of("scheduled", "a"));
  ends.tell(of("queued", "c"));
  gate.resolve();
  await ends.flush();
  assert.deepEqual(looks, [
    ["a", "b"],
    ["a", "c"],
  ]);
});

test("an end that nobody waits for costs no look", async () => {
  const ends = open(
    async () => assert.fail("a look"),
    async () => {},
    fail,
  );
  ends.tell([endedRun(), endedRun({ wantedKeys: [] })]);
  await ends.flush();
});

test("what was granted is rung; a failure is told, and the next look goes on", async () => {
  const errors: unknown[] = [];
  const rung: string[] = [];
  let looks = 0;
  const ends = open(
    async () => {
      if (++looks === 1) throw new Error("the database is away");
      return [{ runId: "r", availableAt: new Date(0) }];
    },
    async (bells) => void rung.push(...bells.map(({ runId }) => runId)),
    (error) => errors.push(error),
  );
  ends.tell(of("failed", "a"));
  await ends.flush();
  assert.deepEqual([errors.length, rung], [1, []]);
  ends.tell(of("failed", "a"));
  await ends.flush();
  assert.deepEqual([errors.length, rung], [1, ["r"]]);
});
