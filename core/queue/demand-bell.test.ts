import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../../test/support/manual-clock.ts";
import type { Store } from "../store/database.ts";
import { createNotifier, type Notifier } from "../store/notify.ts";
import { withDemandBell } from "./demand-bell.ts";
import { createHearing } from "./hearing.ts";
import type { QueueTransport } from "./transport.ts";

test("the first send rings at once, a storm ten times a second, and no bells ring nothing", async () => {
  const clock = createManualClock();
  const rungAtMs: number[] = [];
  const startMs = clock.now().getTime();
  const pool = {
    async query({ values }: { values: string[] }) {
      assert.equal(values[0], "bellhop_demand");
      rungAtMs.push(clock.now().getTime() - startMs);
    },
  };
  const notifier = createNotifier({ pool } as unknown as Store, clock, (error) => assert.fail(String(error)));
  let sent = 0;
  const carrier = {
    async ring() {
      sent += 1;
    },
  } as unknown as QueueTransport;
  const transport = withDemandBell(carrier, notifier, { on: async () => {} });
  await transport.ring([]);
  await clock.advance(0);
  assert.deepEqual(rungAtMs, []);
  for (let ms = 0; ms < 1_000; ms += 1) {
    await transport.ring([{ runId: String(ms), availableAt: clock.now() }]);
    await clock.advance(1);
  }
  const everyTenth = Array.from({ length: 11 }, (_, tenth) => tenth * 100);
  assert.deepEqual([rungAtMs, sent], [everyTenth, 1_001]);
});

test("it hints to a consumer as long as the transport's own bells are not heard, and after its stop no more", async () => {
  const hearing = createHearing();
  let ring = () => assert.fail("nobody listens");
  const listener = {
    async on(channel: string, hear: (bell: { ids: string[]; resync: boolean }) => void) {
      assert.equal(channel, "bellhop_demand");
      ring = (() => hear({ ids: [], resync: false })) as typeof ring;
    },
  };
  const carrier = {
    consume: async () => ({ hearing, stop: async () => hearing.end() }),
  } as unknown as QueueTransport;
  let hints = 0;
  const handler = {
    onBells: () => assert.fail("no bell came"),
    onHint() {
      hints += 1;
    },
  };
  const consumption = await withDemandBell(carrier, {} as Notifier, listener).consume(handler);
  ring();
  assert.equal(hints, 1);
  hearing.set(true);
  ring();
  assert.equal(hints, 1, "its bell comes by the transport");
  hearing.set(false);
  ring();
  assert.equal(hints, 2);
  await consumption.stop();
  ring();
  assert.equal(hints, 2);
});
