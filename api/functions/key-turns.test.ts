import assert from "node:assert/strict";
import { test } from "node:test";
import { createKeyTurns } from "./key-turns.ts";

test("so many at once; of those that wait each key has one in its turn, also after one that failed", async () => {
  const turns = createKeyTurns(1);
  const begun: string[] = [];
  const ends: ((fails: boolean) => void)[] = [];
  const all = ["a1", "a2", "a3", "b1", "b2", "c1"].map((name) =>
    turns
      .take(name[0]!, async () => {
        begun.push(name);
        const fails = await new Promise<boolean>((resolve) => ends.push(resolve));
        if (fails) throw new Error("failed");
        return name;
      })
      .catch((error: Error) => error.message),
  );
  while (begun.length < all.length) {
    ends.shift()!(begun.at(-1) === "b1");
    await new Promise(setImmediate);
  }
  ends.shift()!(false);
  assert.deepEqual(begun, ["a1", "a2", "b1", "c1", "a3", "b2"]);
  assert.deepEqual(await Promise.all(all), ["a1", "a2", "a3", "failed", "b2", "c1"]);
  assert.equal(await turns.take("d", async () => "free again"), "free again");
});
