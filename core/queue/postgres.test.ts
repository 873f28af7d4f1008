import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { systemClock } from "../clock.ts";
import { openStore } from "../store/database.ts";
import { newId } from "../store/ids.ts";
import { type Listener, openListener } from "../store/listen.ts";
import { type Channel, createNotifier, type Notifier } from "../store/notify.ts";
import { createPostgresTransport } from "./postgres.ts";
import { describeTransport } from "./transport.suite.ts";
import type { QueueTransport } from "./transport.ts";

/** Connections end with their database; what does not arrive is what these tests are about. */
const ignore = () => {};

describeTransport("postgres", async () => {
  const { url, drop } = await createTestDatabase();
  const opened: { transport: QueueTransport; close(): Promise<void> }[] = [];
  return {
    async connect() {
      const store = openStore({
        databaseUrl: url,
        applicationName: "bellhop-test",
        maxConnections: 1,
        onError: ignore,
      });
      const listener = await openListener(url, systemClock, ignore);
      const transport = createPostgresTransport(createNotifier(store, systemClock, ignore), listener);
      const close = async () => {
        await transport.close();
        await listener.close();
        await store.close();
      };
      opened.push({ transport, close });
      return transport;
    },
    async close() {
      for (const { close } of opened) await close();
      await drop();
    },
  };
});

/** A transport on a database that is not there: what it notifies, and bells rung by hand. */
function openFake() {
  const notified: [Channel, string[] | undefined][] = [];
  const notifier: Notifier = {
    notify: (channel, ids) => void notified.push([channel, ids]),
    async flush() {},
  };
  const listening = Promise.withResolvers<void>();
  let isListening = true;
  const handlers: (() => void)[] = [];
  const listener: Listener = {
    on(_channel, handler) {
      handlers.push(() => handler({ ids: [], resync: false }));
      return listening.promise;
    },
    isListening: () => isListening,
    async close() {},
  };
  return {
    transport: createPostgresTransport(notifier, listener),
    notified,
    handlers,
    listen: () => listening.resolve(),
    lose() {
      isListening = false;
    },
  };
}

test("a batch is one bell, whatever its size", async () => {
  const { transport, notified } = openFake();
  await transport.ring(Array.from({ length: 1_000 }, () => ({ runId: newId(), availableAt: new Date() })));
  assert.deepEqual(notified, [["bellhop_runs", undefined]]);
});

test("a consumer looks at the table once bells are heard, and not before", async () => {
  const { transport, listen } = openFake();
  let hints = 0;
  const consuming = transport.consume({
    onBells: () => assert.fail("this transport only hints"),
    onHint() {
      hints += 1;
    },
  });
  await new Promise(setImmediate);
  assert.equal(hints, 0);
  listen();
  await consuming;
  assert.equal(hints, 1);
});

test("two consumers of one transport listen once and both hear", async () => {
  const { transport, handlers, listen } = openFake();
  listen();
  const hints = [0, 0];
  for (const index of hints.keys()) {
    await transport.consume({
      onBells: () => assert.fail("this transport only hints"),
      onHint() {
        hints[index]! += 1;
      },
    });
  }
  assert.equal(handlers.length, 1);
  handlers[0]!();
  assert.deepEqual(hints, [2, 2]);
});

test("it is not ready while nothing would be heard", async () => {
  const { transport, lose } = openFake();
  await transport.checkReady();
  lose();
  await assert.rejects(transport.checkReady());
});
