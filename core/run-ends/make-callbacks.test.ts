import assert from "node:assert/strict";
import { test } from "node:test";
import { makeCallbacksAtEnds } from "./make-callbacks.ts";
import { createRunEnds } from "./run-ends.ts";
import { endedRun } from "./testing/ended-run.ts";

const fail = (error: unknown) => assert.fail(error as Error);
const CALLING = { hasCallbacks: true };

test("what ends in one turn is looked for together, what ends during a look in the next", async () => {
  let looks = 0;
  const gate = Promise.withResolvers<void>();
  const make = async () => {
    looks += 1;
    await gate.promise;
  };
  const ends = createRunEnds([makeCallbacksAtEnds(make, fail)], fail);
  ends.tell([endedRun(CALLING), endedRun({ ...CALLING, state: "cancelled" })]);
  ends.tell([endedRun({ ...CALLING, state: "expired" })]);
  await Promise.resolve();
  ends.tell([endedRun({ ...CALLING, state: "dead" })]);
  gate.resolve();
  await ends.flush();
  assert.equal(looks, 2);
});

test("ends that call nobody, and attempts after which a run goes on, cost no look", async () => {
  const ends = createRunEnds([makeCallbacksAtEnds(async () => assert.fail("a look"), fail)], fail);
  ends.tell([endedRun(), endedRun({ state: "dead" })]);
  ends.tell([endedRun({ ...CALLING, state: "scheduled" }), endedRun({ ...CALLING, state: "queued" })]);
  await ends.flush();
});

test("a look that fails is told, and the next one goes on", async () => {
  const errors: unknown[] = [];
  let looks = 0;
  const make = async () => {
    looks += 1;
    if (looks === 1) throw new Error("away");
  };
  const ends = createRunEnds([makeCallbacksAtEnds(make, (error) => errors.push(error))], fail);
  ends.tell([endedRun(CALLING)]);
  await ends.flush();
  ends.tell([endedRun(CALLING)]);
  await ends.flush();
  assert.deepEqual([looks, errors.length], [2, 1]);
});
