import assert from "node:assert/strict";
import { test } from "node:test";
import { createKeyedSemaphore } from "./keyed-semaphore.ts";

test("so many at once; of those that wait each key has one in its turn, also after one that failed", async () => {
  const semaphore = createKeyedSemaphore(1);
  const begun: string[] = [];
  const ends: ((fails: boolean) => void)[] = [];
  const all = ["a1", "a2", "a3", "b1", "b2", "c1"].map((name) =>
    semaphore
      .run(name[0]!, async () => {
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
  assert.equal(await semaphore.run("d", async () => "free again"), "free again");
});

test("a key has one turn at a time, so that the others get the rest", async () => {
  const semaphore = createKeyedSemaphore(2);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const all = ["a1", "a2", "a3", "b1", "c1"].map((name) =>
    semaphore.run(name[0]!, async () => {
      begun.push(name);
      await new Promise<void>((resolve) => ends.set(name, resolve));
    }),
  );
  async function end(name: string): Promise<string[]> {
    ends.get(name)!();
    await new Promise(setImmediate);
    return begun.splice(0);
  }
  assert.deepEqual(begun.splice(0), ["a1", "b1"]);
  assert.deepEqual(await end("b1"), ["c1"]);
  assert.deepEqual(await end("c1"), [], "what is free is not for a key that has its turn");
  all.push(semaphore.run("d", async () => void begun.push("d1")));
  assert.deepEqual(begun.splice(0), ["d1"]);
  assert.deepEqual(await end("a1"), ["a2"]);
  assert.deepEqual(await end("a2"), ["a3"]);
  await end("a3");
  await Promise.all(all);
});
