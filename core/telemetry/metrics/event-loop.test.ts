import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Registry } from "prom-client";
import { watchEventLoop } from "./event-loop.ts";

/** Of samples, the sum of all lags; the count of those within 10 ms; of active seconds. */
async function read(registry: Registry) {
  const text = await registry.metrics();
  const value = (series: string) => Number(text.split(`\n${series} `)[1]?.split("\n")[0]);
  return {
    samples: value("bellhop_event_loop_lag_seconds_count"),
    lagSeconds: value("bellhop_event_loop_lag_seconds_sum"),
    activeSeconds: value("bellhop_event_loop_active_seconds_total"),
  };
}

test("a loop that is blocked is late and active, whoever read it before", async (t) => {
  const registry = new Registry();
  t.after(watchEventLoop(registry));
  // The first turn begins the count.
  await delay(1);
  const before = await read(registry);
  const blockedUntilMs = performance.now() + 400;
  while (performance.now() < blockedUntilMs);
  await delay(0);
  await delay(0);
  await read(registry);
  const { samples, lagSeconds, activeSeconds } = await read(registry);
  assert.ok(samples >= 1, "no sample");
  assert.ok(lagSeconds >= 0.25, `a lag of ${lagSeconds} s`);
  assert.ok(activeSeconds - before.activeSeconds >= 0.35, `active for ${activeSeconds} s`);
});
