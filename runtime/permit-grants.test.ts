import assert from "node:assert/strict";
import { test } from "node:test";
import { createPermitGrants } from "./permit-grants.ts";

const fail = (error: unknown) => assert.fail(error as Error);
const run = (runId: string) => ({ runId, availableAt: new Date(0) });

test("what ends in one turn is looked for together, what ends during a look in the next", async () => {
  const looks: string[][] = [];
  const gate = Promise.withResolvers<void>();
  const grants = createPermitGrants(
    async (keys) => {
      looks.push(keys);
      await gate.promise;
      return [];
    },
    async () => assert.fail("nothing was granted"),
    fail,
  );
  for (const keys of [["a", "b"], ["a"], []]) grants.add(keys);
  await Promise.resolve();
  grants.add(["a", "c"]);
  gate.resolve();
  await grants.flush();
  assert.deepEqual(looks, [
    ["a", "b"],
    ["a", "c"],
  ]);
});

test("what was granted is rung; a failure is told, and the next look goes on", async () => {
  const errors: unknown[] = [];
  const rung: string[] = [];
  let looks = 0;
  const grants = createPermitGrants(
    async () => {
      if (++looks === 1) throw new Error("the database is away");
      return [run("r")];
    },
    async (bells) => void rung.push(...bells.map(({ runId }) => runId)),
    (error) => errors.push(error),
  );
  grants.add(["a"]);
  await grants.flush();
  assert.deepEqual([errors.length, rung], [1, []]);
  grants.add(["a"]);
  await grants.flush();
  assert.deepEqual([errors.length, rung], [1, ["r"]]);
});
