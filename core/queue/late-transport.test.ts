import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { newId } from "../store/ids.ts";
import { createLateTransport } from "./late-transport.ts";
import type { Bell, BellHandler, QueueTransport } from "./transport.ts";

const handler: BellHandler = { async onBells() {}, onHint() {} };
const bells: Bell[] = [{ runId: newId(), availableAt: new Date() }];

/** A broker whose answers to tries the test gives, and what was asked of those that connected. */
function openFake() {
  const tries: PromiseWithResolvers<QueueTransport>[] = [];
  const asked: string[] = [];
  const receiving = Promise.withResolvers<void>();
  const broker: QueueTransport = {
    name: "kafka",
    ring: async (rung) => void asked.push(`ring ${rung.length}`),
    async consume(_handler, lane) {
      asked.push(`consume ${lane}`);
      return { receiving: receiving.promise, stop: async () => void asked.push("stop") };
    },
    publishDeadLetters: async () => void asked.push("publish"),
    checkReady: async () => {},
    close: async () => void asked.push("close"),
  };
  const clock = createManualClock();
  const errors: unknown[] = [];
  const open = () => {
    tries.push(Promise.withResolvers());
    return tries.at(-1)!.promise;
  };
  const late = createLateTransport("kafka", open, clock, (error) => errors.push(error));
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return { late, tries, asked, errors, clock, settle, broker, receiving };
}

test("consuming begins at once and is tried until the broker answers; then it is told when bells are heard", async () => {
  const { late, tries, asked, errors, clock, settle, broker, receiving } = openFake();
  const consumption = await late.consume(handler, "runs");
  let isHearing = false;
  void consumption.receiving.then(() => {
    isHearing = true;
  });
  await assert.rejects(late.checkReady(), /not connected yet/);
  tries[0]!.reject(new Error("nobody there"));
  await clock.waitForSleepers(1);
  assert.equal((errors[0] as Error).message, "nobody there");
  await clock.advance(250);
  tries[1]!.resolve(broker);
  await settle();
  assert.deepEqual([asked, isHearing], [["consume runs"], false]);
  await late.checkReady();
  receiving.resolve();
  await settle();
  assert.equal(isHearing, true);
  await consumption.stop();
  await late.close();
  assert.deepEqual(asked, ["consume runs", "stop", "close"]);
});

test("what rings while it connects waits for that try, and hears of its failure", async () => {
  const { late, tries, asked, broker } = openFake();
  await late.ring([]);
  await late.publishDeadLetters([]);
  assert.equal(tries.length, 0, "nothing to send is no reason to connect");
  const [first, second] = [late.ring(bells), late.ring(bells)];
  tries[0]!.reject(new Error("nobody there"));
  await assert.rejects(first, /nobody there/);
  await assert.rejects(second, /nobody there/);
  const third = late.ring(bells);
  tries[1]!.resolve(broker);
  await third;
  assert.deepEqual([tries.length, asked], [2, ["ring 1"]]);
});

test("stopped before the broker answers it consumes nothing, and a connection that comes too late is closed", async () => {
  const { late, tries, asked, settle, broker } = openFake();
  const consumption = await late.consume(handler);
  await consumption.stop();
  await late.close();
  tries[0]!.resolve(broker);
  await consumption.receiving;
  await settle();
  assert.deepEqual(asked, ["close"]);
});
