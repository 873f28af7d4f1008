import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { newId } from "../store/ids.ts";
import { type ConnectedQueue, createLateTransport } from "./late-transport.ts";
import type { Member } from "./supervise-consumer.ts";
import type { Bell, BellHandler } from "./transport.ts";

const handler: BellHandler = { async onBells() {}, onHint() {} };
const bells: Bell[] = [{ runId: newId(), availableAt: new Date() }];

/** A broker whose answers to tries the test gives, and what was asked of those that connected. */
function openFake({ restMs = 0 } = {}) {
  const tries: PromiseWithResolvers<ConnectedQueue>[] = [];
  const asked: string[] = [];
  const member: Member = {
    ended: new Promise(() => {}),
    judgeSilence: () => "none",
    leave: async () => void asked.push("leave"),
  };
  const broker: ConnectedQueue = {
    ring: async (rung) => void asked.push(`ring ${rung.length}`),
    async join(_handler, lane) {
      asked.push(`join ${lane}`);
      return member;
    },
    publishDeadLetters: async () => void asked.push("publish"),
    checkReady: async () => {},
    close: async () => void asked.push("close"),
  };
  const clock = createManualClock();
  const told: string[] = [];
  const late = createLateTransport({
    name: "kafka",
    open() {
      tries.push(Promise.withResolvers());
      return tries.at(-1)!.promise;
    },
    isRefusal: (error) => String(error).includes("refused"),
    clock,
    random: () => 0,
    restMs,
    report: {
      connected: () => told.push("connected"),
      notConnected: (error) => told.push((error as Error).message),
      ofLane: (lane) => ({
        joined: () => told.push(`${lane} heard`),
        lost: () => told.push(`${lane} lost`),
        hopeless: (error) => told.push(error.message),
      }),
    },
  });
  return { late, tries, asked, told, clock, settle: () => clock.advance(0), broker };
}

test("it is opened after its rest; what is rung meanwhile waits, and who closes it does not", async () => {
  const { late, tries, asked, clock, settle, broker } = openFake({ restMs: 250 });
  const rung = late.ring(bells, "runs");
  await clock.waitForSleepers(1);
  await clock.advance(249);
  assert.equal(tries.length, 0);
  await clock.advance(1);
  tries[0]!.resolve(broker);
  await rung;
  assert.deepEqual(asked, ["ring 1"]);
  await late.close();

  const closedSoon = openFake({ restMs: 250 });
  const refused = assert.rejects(closedSoon.late.ring(bells, "runs"));
  await closedSoon.late.close();
  await refused;
  await settle();
  assert.deepEqual([closedSoon.tries.length, closedSoon.told], [0, []]);
});

test("consuming begins at once and is tried until the broker answers; then it is told when bells are heard", async () => {
  const { late, tries, asked, told, clock, settle, broker } = openFake();
  const { hearing, stop } = await late.consume(handler);
  await assert.rejects(late.checkReady(), /not connected yet/);
  tries[0]!.reject(new Error("nobody there"));
  await clock.waitForSleepers(1);
  await clock.advance(250);
  assert.deepEqual([tries.length, hearing.isHeard], [2, false]);
  tries[1]!.resolve(broker);
  await settle();
  assert.deepEqual([asked, hearing.isHeard], [["join runs"], true]);
  assert.deepEqual(told, ["nobody there", "connected", "runs heard"]);
  await late.checkReady();
  await stop();
  await late.close();
  assert.deepEqual(asked, ["join runs", "leave", "close"]);
  assert.equal(clock.sleepers, 0);
});

test("connecting can begin before anything is asked, and waits longer from try to try", async () => {
  const { late, tries, clock, settle, broker } = openFake();
  late.connect();
  late.connect();
  for (const [failed, waitMs] of [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000].entries()) {
    tries[failed]!.reject(new Error("nobody there"));
    await clock.waitForSleepers(1);
    await clock.advance(waitMs - 1);
    assert.equal(tries.length, failed + 1);
    await clock.advance(1);
    assert.equal(tries.length, failed + 2);
  }
  tries.at(-1)!.resolve(broker);
  await settle();
  await late.checkReady();
});

test("what rings while it connects waits for that try; between two tries it is refused at once", async () => {
  const { late, tries, asked, clock, broker } = openFake();
  await late.ring([]);
  await late.publishDeadLetters([]);
  assert.equal(tries.length, 0, "nothing to send is no reason to connect");
  const refused = [late.ring(bells), late.ring(bells)].map((each) => assert.rejects(each, /nobody there/));
  tries[0]!.reject(new Error("nobody there"));
  await Promise.all(refused);
  await assert.rejects(late.ring(bells), /nobody there/);
  assert.equal(tries.length, 1, "who rings does not hurry it");
  await clock.advance(250);
  const third = late.ring(bells);
  tries[1]!.resolve(broker);
  await third;
  assert.deepEqual([tries.length, asked], [2, ["ring 1"]]);
});

test("it is not ready while a lane it consumes is not heard", async () => {
  const { late, tries, settle, broker } = openFake();
  const joined = Promise.withResolvers<Member>();
  const leaving = late.consume(handler);
  const { stop } = await leaving;
  tries[0]!.resolve({ ...broker, join: () => joined.promise });
  await settle();
  await assert.rejects(late.checkReady(), /bells are not heard/);
  joined.resolve({ ended: new Promise(() => {}), judgeSilence: () => "none", leave: async () => {} });
  await settle();
  await late.checkReady();
  await stop();
  await late.checkReady();
});

test("stopped before the broker answers it consumes nothing, and a connection that comes too late is closed", async () => {
  const { late, tries, asked, settle, broker } = openFake();
  const consumption = await late.consume(handler);
  await consumption.stop();
  await late.close();
  tries[0]!.resolve(broker);
  await settle();
  assert.deepEqual(asked, ["close"]);
});

test("a broker that refuses for a quarter of a minute is told as hopeless, once, to who consumes", async () => {
  const { late, tries, told, clock } = openFake();
  await late.consume(handler);
  for (let failed = 0; failed < 12; failed += 1) {
    tries[failed]!.reject(new Error("refused: no right to make topics"));
    await clock.waitForSleepers(1);
    await clock.advance(10_000);
  }
  const hopeless = told.filter((each) => each.startsWith("Kafka refuses"));
  assert.deepEqual(hopeless, ["Kafka refuses what a consumer needs: refused: no right to make topics"]);
});
