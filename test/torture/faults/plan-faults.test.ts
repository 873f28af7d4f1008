import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { planFaults } from "./plan-faults.ts";

const CATALOGUE = {
  kill: { weight: 3, lastsMs: [0, 0] },
  stop: { weight: 1, lastsMs: [500, 9_000] },
} as const;
const TEN_MINUTES_MS = 600_000;

describe("planFaults", () => {
  it("follows from the seed alone", () => {
    assert.deepEqual(planFaults(7, TEN_MINUTES_MS, CATALOGUE), planFaults(7, TEN_MINUTES_MS, CATALOGUE));
    assert.notDeepEqual(planFaults(7, TEN_MINUTES_MS, CATALOGUE), planFaults(8, TEN_MINUTES_MS, CATALOGUE));
  });

  it("has two hundred in ten minutes, each kind by its weight and within its bounds", () => {
    const plan = planFaults(7, TEN_MINUTES_MS, CATALOGUE);
    assert.ok(plan.length >= 200, `${plan.length}`);
    const stops = plan.filter(({ kind }) => kind === "stop");
    assert.ok(stops.length > plan.length / 8 && stops.length < plan.length / 2, `${stops.length}`);
    assert.ok(stops.every(({ lastsMs }) => lastsMs >= 500 && lastsMs <= 9_000));
    assert.ok(plan.every(({ atMs }, index) => atMs < TEN_MINUTES_MS && atMs >= (plan[index - 1]?.atMs ?? 0)));
  });

  it("plans nothing where no kind is wanted", () => {
    assert.deepEqual(planFaults(7, TEN_MINUTES_MS, {}), []);
  });
});
