import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bell } from "../core/queue/transport.ts";
import { newId } from "../core/store/ids.ts";
import { createRunRinger } from "./ring.ts";

const bells = (count: number): Bell[] =>
  Array.from({ length: count }, () => ({ runId: newId(), availableAt: new Date() }));

function openRinger() {
  const sends: Bell[][] = [];
  const errors: unknown[] = [];
  let gate: Promise<void> = Promise.resolve();
  const ringer = createRunRinger(
    {
      async ring(batch) {
        sends.push(batch);
        await gate;
      },
    },
    (error) => void errors.push(error),
  );
  return {
    ringer,
    sends,
    errors,
    hold() {
      const held = Promise.withResolvers<void>();
      gate = held.promise;
      return held;
    },
  };
}

test("requests of one turn share a send", async () => {
  const { ringer, sends } = openRinger();
  const [first, second] = [bells(1), bells(2)];
  ringer.ring(first);
  ringer.ring(second);
  await ringer.flush();
  assert.deepEqual(sends, [[...first, ...second]]);
});

test("what comes while a send is under way shares the next", async () => {
  const { ringer, sends, hold } = openRinger();
  const held = hold();
  ringer.ring(bells(1));
  await new Promise(setImmediate);
  ringer.ring(bells(1));
  ringer.ring(bells(1));
  held.resolve();
  await ringer.flush();
  assert.deepEqual(
    sends.map(({ length }) => length),
    [1, 2],
  );
});

test("a send is bounded", async () => {
  const { ringer, sends } = openRinger();
  ringer.ring(bells(2_500));
  await ringer.flush();
  assert.deepEqual(
    sends.map(({ length }) => length),
    [1_000, 1_000, 500],
  );
});

test("a send that fails is reported, and the next goes out", async () => {
  const { ringer, sends, errors, hold } = openRinger();
  const fault = new Error("no broker");
  const held = hold();
  held.reject(fault);
  ringer.ring(bells(1));
  await ringer.flush();
  assert.deepEqual(errors, [fault]);
  hold().resolve();
  ringer.ring(bells(1));
  await ringer.flush();
  assert.equal(sends.length, 2);
});

test("what gathered while a send failed is given up with it: nothing grows while the queue is away", async () => {
  const { ringer, sends, errors, hold } = openRinger();
  const held = hold();
  ringer.ring(bells(1));
  await new Promise(setImmediate);
  ringer.ring(bells(50_000));
  held.reject(new Error("no broker"));
  await ringer.flush();
  assert.deepEqual([sends.length, errors.length], [1, 1]);
});

test("nothing to ring, nothing sent", async () => {
  const { ringer, sends } = openRinger();
  ringer.ring([]);
  await ringer.flush();
  assert.deepEqual(sends, []);
});
