/** What every transport does alike, on the real thing. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createRecording } from "../../test/support/recording.ts";
import { newId } from "../store/ids.ts";
import { until } from "../store/testing/test-store.ts";
import type { Bell, BellHandler, QueueTransport } from "./transport.ts";

/** One queue that nobody else uses. */
export interface TestQueue {
  /** A transport of its own, as each role has one. */
  connect(): Promise<QueueTransport>;
  /** Closes what is still open. */
  close(): Promise<void>;
}

const bell = (): Bell => ({ runId: newId(), availableAt: new Date() });
const bells = (count: number) => Array.from({ length: count }, bell);
const idsOf = (all: Bell[]) => all.map(({ runId }) => runId);

/**
 * The truth behind the doorbell: runs that wait. A hearer takes those it is told of, or, on a hint, all; so the suite
 * asks of every transport the same: that what is rung is taken.
 */
function createTable() {
  const waiting = new Set<string>();
  const taken = createRecording<{ runId: string; by: string }>("taken run");

  function take(ids: string[], by: string): void {
    for (const runId of ids) if (waiting.delete(runId)) taken.add({ runId, by });
  }

  return {
    taken,
    add(all: Bell[]): Bell[] {
      for (const { runId } of all) waiting.add(runId);
      return all;
    },
    async whenTaken(all: Bell[]): Promise<void> {
      const wanted = new Set(idsOf(all));
      await taken.waitFor(({ runId }) => wanted.has(runId), { count: wanted.size, timeoutMs: 30_000 });
    },
    /** A worker without limits. `calls` counts how often it heard anything. */
    hearer(by: string) {
      let calls = 0;
      return {
        calls: () => calls,
        async onBells(heard: Bell[]) {
          calls += 1;
          take(idsOf(heard), by);
        },
        onHint() {
          calls += 1;
          take([...waiting], by);
        },
      };
    },
  };
}

export function describeTransport(name: string, open: () => Promise<TestQueue>): void {
  describe(`${name} transport`, () => {
    async function openQueue(t: TestContext): Promise<TestQueue> {
      const queue = await open();
      t.after(() => queue.close());
      return queue;
    }

    it("carries what is rung to a consumer", async (t) => {
      const queue = await openQueue(t);
      const table = createTable();
      await (await queue.connect()).consume(table.hearer("worker"));
      const ringer = await queue.connect();
      const rung = table.add(bells(10));
      await ringer.ring(rung);
      await table.whenTaken(rung);
    });

    it("carries what was rung before any consumer came", async (t) => {
      const queue = await openQueue(t);
      const table = createTable();
      const rung = table.add(bells(3));
      await (await queue.connect()).ring(rung);
      await (await queue.connect()).consume(table.hearer("worker"));
      await table.whenTaken(rung);
    });

    it("carries a lane to its consumers, beside the other", async (t) => {
      const queue = await openQueue(t);
      const table = createTable();
      await (await queue.connect()).consume(table.hearer("worker"));
      await (await queue.connect()).consume(table.hearer("long worker"), "long-runs");
      const ringer = await queue.connect();
      for (const lane of ["long-runs", "runs"] as const) {
        const rung = table.add(bells(10));
        await ringer.ring(rung, lane);
        await table.whenTaken(rung);
      }
    });

    it("between two consumers every bell is heard by at least one", async (t) => {
      const queue = await openQueue(t);
      const table = createTable();
      for (const by of ["first", "second"]) await (await queue.connect()).consume(table.hearer(by));
      const ringer = await queue.connect();
      for (let round = 0; round < 10; round += 1) {
        const rung = table.add(bells(20));
        await ringer.ring(rung);
        await table.whenTaken(rung);
      }
    });

    it("a consumer hears what one that has gone would have heard", async (t) => {
      const queue = await openQueue(t);
      const table = createTable();
      const goes = await (await queue.connect()).consume(table.hearer("goes"));
      await (await queue.connect()).consume(table.hearer("stays"));
      const ringer = await queue.connect();
      const before = table.add(bells(20));
      await ringer.ring(before);
      await table.whenTaken(before);
      await goes.stop();
      const afterwards = table.add(bells(20));
      await ringer.ring(afterwards);
      await table.whenTaken(afterwards);
      const takers = table.taken.items.slice(before.length).map(({ by }) => by);
      assert.deepEqual([...new Set(takers)], ["stays"]);
    });

    it("what a handler refuses is heard again", async (t) => {
      const queue = await openQueue(t);
      const table = createTable();
      const hearer = table.hearer("worker");
      const refused = Promise.withResolvers<void>();
      let refuses = true;
      const refuse = () => {
        if (refuses) refused.resolve();
        refuses = false;
      };
      const handler: BellHandler = {
        async onBells(heard) {
          if (refuses) {
            refuse();
            throw new Error("the database is away");
          }
          await hearer.onBells(heard);
        },
        onHint: () => (refuses ? refuse() : hearer.onHint()),
      };
      const transport = await queue.connect();
      await transport.consume(handler);
      const first = table.add(bells(1));
      await transport.ring(first);
      await refused.promise;
      const later = table.add(bells(1));
      await transport.ring(later);
      await table.whenTaken([...first, ...later]);
    });

    it("what a consumer had in hand when it was stopped is heard by another", async (t) => {
      const queue = await openQueue(t);
      const table = createTable();
      const inHand = Promise.withResolvers<void>();
      const draining = Promise.withResolvers<void>();
      draining.promise.catch(() => {});
      const transport = await queue.connect();
      const stopped = await transport.consume({
        onBells() {
          inHand.resolve();
          return draining.promise;
        },
        onHint: () => inHand.resolve(),
      });
      const rung = table.add(bells(5));
      await transport.ring(rung);
      await inHand.promise;
      const stopping = stopped.stop();
      draining.reject(new Error("the worker is draining"));
      await stopping;
      await (await queue.connect()).consume(table.hearer("next"));
      await table.whenTaken(rung);
    });

    it("delivers nothing more once stop has resolved", async (t) => {
      const queue = await openQueue(t);
      const table = createTable();
      const transport = await queue.connect();
      const hearer = table.hearer("stopped");
      const consumption = await transport.consume(hearer);
      await consumption.stop();
      await consumption.stop();
      const calls = hearer.calls();
      await (await queue.connect()).consume(table.hearer("other"));
      const rung = table.add(bells(20));
      await transport.ring(rung);
      await table.whenTaken(rung);
      assert.equal(hearer.calls(), calls);
    });

    it("an empty batch rings nothing", async (t) => {
      const queue = await openQueue(t);
      const table = createTable();
      const hearer = table.hearer("worker");
      const transport = await queue.connect();
      await transport.consume(hearer);
      const calls = hearer.calls();
      await transport.ring([]);
      const rung = table.add(bells(1));
      await transport.ring(rung);
      await table.whenTaken(rung);
      assert.equal(hearer.calls(), calls + 1);
    });

    it("5,000 bells in batches all arrive", async (t) => {
      const queue = await openQueue(t);
      const table = createTable();
      for (const by of ["first", "second"]) await (await queue.connect()).consume(table.hearer(by));
      const ringer = await queue.connect();
      const rung = table.add(bells(5_000));
      for (let from = 0; from < rung.length; from += 250) await ringer.ring(rung.slice(from, from + 250));
      await table.whenTaken(rung);
      assert.equal(new Set(table.taken.items.map(({ runId }) => runId)).size, 5_000);
    });

    it("tells that bells are heard, is ready then, and after the stop tells nothing more", async (t) => {
      const queue = await openQueue(t);
      const table = createTable();
      const transport = await queue.connect();
      const { hearing, stop } = await transport.consume(table.hearer("worker"));
      const heard = createRecording<boolean>("word of hearing");
      hearing.watch(heard.add);
      await heard.waitFor((isHeard) => isHeard, { timeoutMs: 30_000 });
      await transport.checkReady();
      const rung = table.add(bells(3));
      await (await queue.connect()).ring(rung);
      await table.whenTaken(rung);
      assert.equal(hearing.isHeard, true);
      const told = heard.items.length;
      await stop();
      await transport.close();
      assert.equal(heard.items.length, told);
    });

    it("is ready, and takes dead letters", async (t) => {
      const transport = await (await openQueue(t)).connect();
      await transport.checkReady();
      await transport.publishDeadLetters([]);
      await transport.publishDeadLetters([
        { runId: newId(), taskId: null, namespaceId: newId(), error: null, deadAt: new Date().toISOString() },
      ]);
    });

    it("close stops what still consumes and leaves no connection behind", async () => {
      const sockets = () =>
        process.getActiveResourcesInfo().filter((resource) => resource === "TCPSocketWrap").length;
      const before = sockets();
      const queue = await open();
      const table = createTable();
      const transport = await queue.connect();
      await transport.consume(table.hearer("worker"));
      const rung = table.add(bells(5));
      await transport.ring(rung);
      await table.whenTaken(rung);
      await transport.close();
      await queue.close();
      await until(async () => (sockets() <= before ? true : undefined));
    });
  });
}
