import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store } from "../core/store/database.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createRetryAging } from "./age-retries.ts";

const NOW = new Date("2026-01-01T00:00:00.000Z");

test("a retry has its old age from its instant on, and no sooner", async () => {
  const clock = createManualClock(NOW);
  const aged: unknown[] = [];
  const query = async ({ values }: { values: unknown[] }) => void aged.push(...values);
  const aging = createRetryAging({ pool: { query } as unknown as Store["pool"] }, clock, (error) =>
    assert.fail(String(error)),
  );
  const availableAt = new Date(NOW.getTime() + 1_000);
  aging.add([
    { runId: "one", availableAt },
    { runId: "other", availableAt },
  ]);
  await clock.advance(1_000);
  assert.deepEqual(aged, []);
  await clock.advance(100);
  assert.deepEqual(aged, [["one", "other"]]);
  await aging.close();
});
