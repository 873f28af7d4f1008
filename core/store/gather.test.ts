import assert from "node:assert/strict";
import { test } from "node:test";
import type { QueryScope } from "./database.ts";
import { createGatherer, type Gathering } from "./gather.ts";

const scope = { pool: {} } as QueryScope;
const refusal = (code: string) => Object.assign(new Error(`refused: ${code}`), { code });

/** What was asked together, and answers that come when they are let go. */
function createAsked(settings: Partial<Gathering<string, string>> = {}) {
  const asked: { asks: string[]; answer(): void; refuse(error: Error): void }[] = [];
  let wake: () => void = () => {};
  const gather = createGatherer<string, string>({
    ...{ atOnce: 1, most: 10, mostWeight: 100 },
    weigh: () => 1,
    askAll: (_scope, asks) =>
      new Promise((resolve, refuse) => {
        asked.push({
          asks: [...asks],
          answer: () => resolve(asks.map((ask) => ask.toUpperCase())),
          refuse,
        });
        wake();
      }),
    ...settings,
  });
  /** Until so many statements have been asked. */
  async function untilAsked(count: number): Promise<void> {
    while (asked.length < count) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  const asksOf = () => asked.map(({ asks }) => asks.join(" "));
  return { gather, asked, asksOf, untilAsked };
}

test("who comes alone is asked alone; who comes meanwhile goes together with the next", async () => {
  const { gather, asked, asksOf, untilAsked } = createAsked();
  const a = gather(scope, "a");
  await untilAsked(1);
  const [b, c] = [gather(scope, "b"), gather(scope, "c")];
  asked[0]!.answer();
  assert.equal(await a, "A");
  await untilAsked(2);
  asked[1]!.answer();
  assert.deepEqual(await Promise.all([b, c]), ["B", "C"]);
  assert.deepEqual(asksOf(), ["a", "b c"]);
});

test("no more go together than may, by count and by weight, and one that is too heavy goes alone", async () => {
  const { gather, asked, asksOf, untilAsked } = createAsked({
    most: 3,
    mostWeight: 10,
    weigh: (ask) => ask.length,
  });
  const all = ["aa", "b", "c", "d", "e".repeat(20), "f".repeat(6), "g".repeat(5)].map((ask) =>
    gather(scope, ask),
  );
  for (let index = 0; index < 5; index += 1) {
    await untilAsked(index + 1);
    asked[index]!.answer();
  }
  await Promise.all(all);
  assert.deepEqual(asksOf(), ["aa b c", "d", "eeeeeeeeeeeeeeeeeeee", "ffffff", "ggggg"]);
});

test("as many statements are under way as may be", async () => {
  const { gather, asked, asksOf, untilAsked } = createAsked({ atOnce: 2, most: 1 });
  const all = ["a", "b", "c"].map((ask) => gather(scope, ask));
  await untilAsked(2);
  assert.deepEqual(asksOf(), ["a", "b"]);
  asked[1]!.answer();
  await untilAsked(3);
  asked[0]!.answer();
  asked[2]!.answer();
  assert.deepEqual(await Promise.all(all), ["A", "B", "C"]);
});

test("where a statement is refused for what one holds, halves are asked, and only that one fails", async () => {
  const { gather, asked, asksOf, untilAsked } = createAsked();
  const all = Promise.allSettled(["a", "b", "c", "d", "e"].map((ask) => gather(scope, ask)));
  for (let index = 0; index < 5; index += 1) {
    await untilAsked(index + 1);
    const { asks, answer, refuse } = asked[index]!;
    if (asks.includes("c")) refuse(refusal("23503"));
    else answer();
  }
  const outcomes = (await all).map((one) => (one.status === "fulfilled" ? one.value : one.reason.code));
  assert.deepEqual(outcomes, ["A", "B", "23503", "D", "E"]);
  assert.deepEqual(asksOf(), ["a b c d e", "a b c", "a b", "c", "d e"]);
});

test("those that may wait for different things are not asked together", async () => {
  const { gather, asked, asksOf, untilAsked } = createAsked({ laneOf: (ask) => ask[0]! });
  const first = ["a1", "b1", "a2"].map((ask) => gather(scope, ask));
  await untilAsked(2);
  const later = gather(scope, "b2");
  asked[1]!.answer();
  await untilAsked(3);
  asked[2]!.answer();
  assert.deepEqual([await first[1], await later], ["B1", "B2"], "while the others still wait");
  asked[0]!.answer();
  assert.deepEqual(await Promise.all(first), ["A1", "B1", "A2"]);
  assert.deepEqual(asksOf(), ["a1 a2", "b1", "b2"]);
});

test("where the database was lost, all fail: what became of the statement is unknown, so none is asked again", async () => {
  const { gather, asked, asksOf, untilAsked } = createAsked();
  const all = Promise.allSettled(["a", "b"].map((ask) => gather(scope, ask)));
  await untilAsked(1);
  asked[0]!.refuse(refusal("57P01"));
  assert.deepEqual(
    (await all).map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.deepEqual(asksOf(), ["a b"]);
  const next = gather(scope, "c");
  await untilAsked(2);
  asked[1]!.answer();
  assert.equal(await next, "C");
});

test("what is asked in another transaction is not gathered with it", async () => {
  const { gather, asked, asksOf, untilAsked } = createAsked();
  const other = { pool: {} } as QueryScope;
  const all = [gather(scope, "a"), gather(other, "b"), gather(scope, "c")];
  await untilAsked(2);
  for (const { answer } of asked) answer();
  assert.deepEqual(await Promise.all(all), ["A", "B", "C"]);
  assert.deepEqual(asksOf(), ["a c", "b"]);
});

test("who is gathered waits, as the pool counts it, until it is asked for", async () => {
  const { gather, asked, untilAsked } = createAsked({ most: 1 });
  let waiting = 0;
  const beginWait = () => {
    waiting += 1;
    return () => {
      waiting -= 1;
    };
  };
  const watched = { pool: { beginWait } } as unknown as QueryScope;
  const all = [gather(watched, "a"), gather(watched, "b")];
  assert.equal(waiting, 2);
  await untilAsked(1);
  assert.equal(waiting, 1);
  asked[0]!.answer();
  await untilAsked(2);
  assert.equal(waiting, 0);
  asked[1]!.answer();
  await Promise.all(all);
});
