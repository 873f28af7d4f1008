import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { mock, test } from "node:test";
import { Kafka, logLevel } from "kafkajs";
import { stopIdlePolling } from "./kafka-polling.ts";

interface Queue {
  push(request: { entry: { correlationId: number }; expectResponse: boolean; sendRequest(): void }): void;
  fulfillRequest(response: { correlationId: number; size: number; payload: null }): void;
  maybeThrottle(ms: number): void;
  destroy(): void;
}
const RequestQueue = createRequire(import.meta.url)(
  "kafkajs/src/network/requestQueue/index.js",
) as new (options: {
  maxInFlightRequests: number;
  requestTimeout: number;
  logger: object;
}) => Queue;

await stopIdlePolling(new Kafka({ brokers: ["127.0.0.1:1"], logLevel: logLevel.NOTHING }));

/** A connection's queue with one request in flight at most; `sent` fills as requests go out. */
function openQueue() {
  const logger = { debug() {}, warn() {} };
  const queue = new RequestQueue({ maxInFlightRequests: 1, requestTimeout: 1_000, logger });
  const sent: number[] = [];
  const send = (correlationId: number) => {
    const sendRequest = () => void sent.push(correlationId);
    const request = { entry: { correlationId, resolve() {}, reject() {} }, expectResponse: true };
    queue.push({ ...request, sendRequest });
  };
  const answer = (correlationId: number) => queue.fulfillRequest({ correlationId, size: 0, payload: null });
  return { queue, sent, send, answer };
}

test("a connection on which nothing waits sets no timer", (t) => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000 });
  t.after(() => mock.timers.reset());
  const timers = t.mock.method(globalThis, "setTimeout");
  const { sent, send, answer } = openQueue();
  send(1);
  answer(1);
  assert.deepEqual(sent, [1]);
  assert.equal(timers.mock.callCount(), 0);
});

test("what waits for the one in flight goes with its answer", (t) => {
  const { queue, sent, send, answer } = openQueue();
  t.after(() => queue.destroy());
  send(1);
  send(2);
  assert.deepEqual(sent, [1]);
  answer(1);
  assert.deepEqual(sent, [1, 2]);
});

test("what the broker has throttled goes once that is over", (t) => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000 });
  t.after(() => mock.timers.reset());
  const { queue, sent, send } = openQueue();
  queue.maybeThrottle(50);
  send(1);
  mock.timers.tick(49);
  assert.deepEqual(sent, []);
  mock.timers.tick(1);
  assert.deepEqual(sent, [1]);
});
