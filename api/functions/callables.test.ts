import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallableFunction } from "../../core/store/functions/callable.ts";
import type { Bell, Listener } from "../../core/store/listen.ts";
import { createCallables } from "./callables.ts";

function open() {
  let ring: (bell: Bell) => void = () => {};
  let nowMs = 0;
  const loads: string[] = [];
  const listener = {
    on: async (_channel: string, handler: typeof ring) => {
      ring = handler;
    },
  } as unknown as Listener;
  const callables = createCallables(
    async (namespace, name) => {
      loads.push(`${namespace}/${name}`);
      return name === "nobody" ? undefined : ({ id: `id-${name}`, name } as CallableFunction);
    },
    listener,
    () => nowMs,
  );
  return {
    ...{ callables, loads, ring: (bell: Partial<Bell>) => ring({ ids: [], resync: false, ...bell }) },
    advance: (ms: number) => {
      nowMs += ms;
    },
  };
}

test("a function is looked up once for half a second, and at once again after its bell", async () => {
  const { callables, loads, ring, advance } = open();
  await Promise.all([callables.find("ns", "a"), callables.find("ns", "a")]);
  advance(499);
  await callables.find("ns", "a");
  assert.equal(loads.length, 1);
  advance(1);
  await callables.find("ns", "a");
  assert.equal(loads.length, 2);
  ring({ ids: ["id-other"] });
  await callables.find("ns", "a");
  assert.equal(loads.length, 2);
  ring({ ids: ["id-a"] });
  await callables.find("ns", "a");
  ring({ resync: true });
  await callables.find("ns", "a");
  assert.equal(loads.length, 4);
});

test("what is not there is not remembered, and what is looked up during a change is looked up again", async () => {
  const { callables, loads, ring } = open();
  assert.equal(await callables.find("ns", "nobody"), undefined);
  assert.equal(await callables.find("ns", "nobody"), undefined);
  assert.equal(loads.length, 2);
  const looking = callables.find("ns", "a");
  ring({ ids: ["id-a"] });
  await looking;
  await callables.find("ns", "a");
  assert.equal(loads.length, 4);
});
