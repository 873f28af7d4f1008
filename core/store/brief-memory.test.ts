import assert from "node:assert/strict";
import { test } from "node:test";
import { createBriefMemory } from "./brief-memory.ts";
import type { Bell } from "./listen.ts";

function open(fails = false) {
  let ring: (bell: Bell) => void = () => {};
  let nowMs = 0;
  const loads: string[] = [];
  const memory = createBriefMemory<{ id: string }>({
    async load(key) {
      loads.push(key);
      if (fails) throw new Error("no database");
      return key === "nobody" ? undefined : { id: `id-${key}` };
    },
    idOf: ({ id }) => id,
    listener: {
      on: async (_channel, handler) => {
        ring = handler;
      },
    },
    channel: "bellhop_functions",
    nowMs: () => nowMs,
  });
  return {
    ...{ memory, loads, ring: (bell: Partial<Bell>) => ring({ ids: [], resync: false, ...bell }) },
    advance: (ms: number) => {
      nowMs += ms;
    },
  };
}

test("a thing is looked up once for half a second, and at once again after its bell", async () => {
  const { memory, loads, ring, advance } = open();
  await Promise.all([memory.find("a"), memory.find("a")]);
  advance(499);
  await memory.find("a");
  assert.equal(loads.length, 1);
  advance(1);
  await memory.find("a");
  assert.equal(loads.length, 2);
  ring({ ids: ["id-other"] });
  await memory.find("a");
  assert.equal(loads.length, 2);
  for (const bell of [{ ids: ["id-a"] }, { ids: [] }, { ids: ["id-x"], resync: true }]) {
    ring(bell);
    await memory.find("a");
  }
  assert.equal(loads.length, 5);
});

test("what this process has changed itself is looked up at once", async () => {
  const { memory, loads } = open();
  await memory.find("a");
  memory.forget("id-b");
  await memory.find("a");
  assert.equal(loads.length, 1);
  memory.forget("id-a");
  await memory.find("a");
  memory.forget();
  await memory.find("a");
  assert.equal(loads.length, 3);
});

test("what is not there, or failed, is not remembered", async () => {
  const { memory, loads } = open();
  for (let n = 0; n < 2; n += 1) assert.equal(await memory.find("nobody"), undefined);
  assert.equal(loads.length, 2);
  const failing = open(true);
  for (let n = 0; n < 2; n += 1) await assert.rejects(failing.memory.find("a"), /no database/);
  assert.equal(failing.loads.length, 2);
});

test("what is being looked up during a change is looked up again", async () => {
  const { memory, loads, ring } = open();
  const looking = memory.find("a");
  ring({ ids: ["id-a"] });
  await looking;
  await memory.find("a");
  assert.equal(loads.length, 2);
});

test("what is known is recalled without a look, for as long as it is kept", async () => {
  const { memory, loads, advance } = open();
  assert.equal(memory.recall("a"), undefined);
  await memory.find("a");
  assert.deepEqual(memory.recall("a"), { id: "id-a" });
  advance(500);
  assert.equal(memory.recall("a"), undefined);
  assert.equal(loads.length, 1);
});

function openMany({ fails = false } = {}) {
  let nowMs = 0;
  let ring: (bell: Bell) => void = () => {};
  const loads: string[] = [];
  const memory = createBriefMemory<{ id: string }>({
    async load(key) {
      loads.push(key);
      return { id: `id-${key}` };
    },
    async loadMany(keys) {
      loads.push(keys.join("+"));
      if (fails) throw new Error("no database");
      return new Map(keys.flatMap((key) => (key === "gone" ? [] : [[key, { id: `id-${key}` }]])));
    },
    idOf: ({ id }) => id,
    listener: {
      on: async (_channel, handler) => {
        ring = handler;
      },
    },
    channel: "bellhop_functions",
    nowMs: () => nowMs,
  });
  const find = async (keys: string) => {
    for (const key of keys.split(" ")) assert.equal((await memory.find(key))?.id, `id-${key}`);
  };
  return {
    ...{ memory, loads, find, ring: (bell: Partial<Bell>) => ring({ ids: [], resync: false, ...bell }) },
    advance(ms: number) {
      nowMs += ms;
    },
  };
}

test("what is as old, and was asked for lately, is looked up beside what is asked for", async () => {
  const { loads, find, advance } = openMany();
  await find("a b c");
  advance(500);
  await find("b a c");
  assert.deepEqual(loads.splice(0), ["a", "b", "c", "b", "a+c"]);
  // Once in a second: each is asked for again before it is forgotten.
  advance(1_000);
  await find("a b c");
  assert.deepEqual(loads.splice(0), ["a", "b+c"]);
  advance(500);
  await find("c");
  assert.deepEqual(loads.splice(0), ["c", "a+b"]);
  advance(1_500);
  await find("c");
  assert.deepEqual(loads.splice(0), ["c"], "nobody asked for the others for two seconds");
});

test("no more than a hundred are looked up together", async () => {
  const { loads, find, advance } = openMany();
  await find(Array.from({ length: 150 }, (_, n) => `k${n}`).join(" "));
  loads.length = 0;
  advance(500);
  await find("k149");
  assert.equal(loads[1]!.split("+").length, 100);
});

test("what was looked up beside another is forgotten at its bell, and where it is gone", async () => {
  const { memory, loads, find, ring, advance } = openMany();
  await find("a b gone");
  advance(500);
  const looking = memory.find("a");
  ring({ ids: ["id-b"] });
  await looking;
  await find("b gone");
  // The one that was left out is looked for by itself.
  assert.deepEqual(loads, ["a", "b", "gone", "a", "b+gone", "gone", "b", "gone"]);
});

test("where looking up several fails, each is looked up by itself", async () => {
  const { loads, find, advance } = openMany({ fails: true });
  await find("a b");
  advance(500);
  await find("a");
  await find("b");
  assert.deepEqual(loads, ["a", "b", "a", "b", "b"]);
});
