import assert from "node:assert/strict";
import { test } from "node:test";
import { createRoomOffers } from "./room-offers.ts";

const fail = (error: unknown) => assert.fail(error as Error);
const run = (runId: string) => ({ runId, availableAt: new Date(0) });

test("what ends in one turn is looked for together, what ends during a look in the next", async () => {
  const looks: string[][] = [];
  const gate = Promise.withResolvers<void>();
  const offers = createRoomOffers(
    async (functionIds) => {
      looks.push(functionIds);
      await gate.promise;
      return [];
    },
    async () => assert.fail("nothing was offered"),
    fail,
  );
  for (const id of ["a", "b", "a"]) offers.add(id);
  await Promise.resolve();
  for (const id of ["a", "c"]) offers.add(id);
  gate.resolve();
  await offers.flush();
  assert.deepEqual(looks, [
    ["a", "b"],
    ["a", "c"],
  ]);
});

test("what was offered is rung; a failure is told, and the next look goes on", async () => {
  const errors: unknown[] = [];
  const rung: string[] = [];
  let looks = 0;
  const offers = createRoomOffers(
    async () => {
      if (++looks === 1) throw new Error("the database is away");
      return [run("r")];
    },
    async (bells) => void rung.push(...bells.map(({ runId }) => runId)),
    (error) => errors.push(error),
  );
  offers.add("a");
  await offers.flush();
  assert.deepEqual([errors.length, rung], [1, []]);
  offers.add("a");
  await offers.flush();
  assert.deepEqual([errors.length, rung], [1, ["r"]]);
});
