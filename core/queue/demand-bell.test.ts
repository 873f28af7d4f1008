import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../../test/support/manual-clock.ts";
import type { Store } from "../store/database.ts";
import { createNotifier } from "../store/notify.ts";
import { withDemandBell } from "./demand-bell.ts";
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
  const transport = withDemandBell(carrier, notifier);
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
