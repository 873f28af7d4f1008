import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { newId } from "../store/ids.ts";
import { boundSends, QueueAway } from "./bounded-sends.ts";
import type { QueueTransport } from "./transport.ts";

const bells = [{ runId: newId(), availableAt: new Date() }];

/** A queue whose sends the test ends. */
function openQueue() {
  const clock = createManualClock();
  const told: string[] = [];
  const sends: PromiseWithResolvers<void>[] = [];
  const send = () => {
    sends.push(Promise.withResolvers());
    return sends.at(-1)!.promise;
  };
  const queue = { ring: send, publishDeadLetters: send } as unknown as QueueTransport;
  const transport = boundSends(queue, clock, {
    away: (error) => told.push((error as Error).message),
    carries: (refused) => told.push(`carries, ${refused} refused`),
  });
  return { transport, sends, told, clock };
}

test("a send that takes five seconds is given up, and while none has gone through since, one at a time is tried", async () => {
  const { transport, sends, told, clock } = openQueue();
  const [first, beside] = [transport.ring(bells), transport.ring(bells)];
  const outcomes = [first, beside].map((each) => assert.rejects(each, QueueAway));
  await clock.advance(5_000);
  await Promise.all(outcomes);
  const trial = transport.ring(bells);
  await assert.rejects(transport.ring(bells), QueueAway);
  await assert.rejects(transport.publishDeadLetters([{} as never]), QueueAway);
  assert.equal(sends.length, 3, "what is refused reaches no broker");
  sends[2]!.reject(new Error("connection refused"));
  await assert.rejects(trial, { name: "QueueAway", message: "the queue took nothing: connection refused" });
  const next = transport.ring(bells);
  await assert.rejects(transport.ring(bells), QueueAway);
  sends[3]!.resolve();
  await next;
  assert.deepEqual(told, [
    "no answer within 5000 ms",
    "no answer within 5000 ms",
    "connection refused",
    "carries, 3 refused",
  ]);
  const both = [transport.ring(bells), transport.ring(bells)];
  assert.equal(sends.length, 6);
  for (const { resolve } of sends) resolve();
  await Promise.all(both);
  assert.equal(clock.sleepers, 0);
});

test("a send from before that goes through says as well that the queue carries", async () => {
  const { transport, sends, told } = openQueue();
  const [slow, broken] = [transport.ring(bells), transport.ring(bells)];
  sends[1]!.reject(new Error("not the leader"));
  await assert.rejects(broken);
  sends[0]!.resolve();
  await slow;
  assert.deepEqual(told, ["not the leader", "carries, 0 refused"]);
});

test("nothing to send asks nothing of the queue", async () => {
  const { transport, sends } = openQueue();
  await transport.ring([]);
  await transport.publishDeadLetters([]);
  assert.equal(sends.length, 0);
});
