/** What must hold of the autoscaler, whatever the load: each shape runs against its real code within a simulated clock. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { drawSimulation } from "./draw.ts";
import { LOAD_SHAPES, type LoadShape } from "./loads.ts";
import { PICTURES } from "./main.ts";
import { SIMULATED, type Simulation, simulate } from "./simulate.ts";

const TARGET = SIMULATED.slots * 0.7;
/** The stable window, the panic window before it, and the steps down from eight to one. */
const MEMORY_SECONDS = 60 + 6 + 4;

describe("the autoscaler under", () => {
  for (const shape of LOAD_SHAPES) {
    it(shape.name, async () => {
      const simulation = await simulate(shape);
      assertAllRan(simulation);
      assertNoFlapping(simulation);
      assertNoOvershoot(simulation);
      assertDrained(simulation);
      assertZeroAtEnd(simulation);
      SPECIFIC[shape.name]!(simulation);
      const picture = await readFile(new URL(`${shape.name}.svg`, PICTURES), "utf8");
      assert.ok(picture === drawSimulation(simulation), "draw docs/scaling anew: npm run simulate-scaling");
    });
  }
});

/** What a shape was made to show. */
const SPECIFIC: Record<string, (simulation: Simulation) => void> = {
  idle({ maxWaitMs, samples }) {
    assert.equal(maxWaitMs, 0, "a run that is known ahead finds its worker up");
    const awake = samples.filter(({ up }) => up > 0).length;
    assert.ok(awake / samples.length < 0.2, `a worker stood for ${awake} of ${samples.length} seconds`);
  },
  spike({ samples }) {
    assert.equal(samples[122]!.up, SIMULATED.maxWorkers, "all workers are up two seconds after the spike");
  },
  steady({ steps, samples }) {
    const afterStart = samples.slice(75, 359);
    const up = new Set(afterStart.map((sample) => sample.up));
    assert.equal(up.size, 1, "the number of workers does not move");
    assert.ok(afterStart.every(({ waiting }) => waiting === 0));
    assert.ok(steps.length <= 12, JSON.stringify(steps));
  },
  sawtooth({ samples }) {
    const up = new Set(samples.slice(60, 299).map((sample) => sample.up));
    assert.equal(up.size, 1, "workers do not come and go with the teeth");
  },
  midnight({ samples, maxWaitMs }) {
    assert.equal(samples[60]!.up, SIMULATED.maxWorkers, "the herd finds all workers up");
    const ideal = (100_000 / (SIMULATED.maxWorkers * SIMULATED.slots)) * 500;
    assert.ok(maxWaitMs <= ideal + 1_000, `the last one waited ${maxWaitMs} ms, ${ideal} at best`);
  },
};

function assertAllRan({ shape, finished }: Simulation): void {
  assert.equal(finished, sum(shape.arrivals));
}

/** Whoever was let go is not started again within the stable window. */
function assertNoFlapping({ steps }: Simulation): void {
  for (const [index, { second, workers, before }] of steps.entries()) {
    const next = steps.slice(index + 1).find((later) => later.workers > later.before);
    if (workers < before && next)
      assert.ok(next.second - second >= 60, `down at ${second}, up at ${next.second}`);
  }
}

/** Never more workers than the highest demand of the last minute wants, nor more processes than twice the most. */
function assertNoOvershoot({ samples }: Simulation): void {
  for (const [index, { second, starting, up, retiring }] of samples.entries()) {
    const past = samples.slice(Math.max(index - MEMORY_SECONDS, 0), index + 1 + SIMULATED.aheadMs / 1_000);
    const peak = Math.max(...past.map((sample) => sample.peak));
    const wanted = Math.min(Math.ceil(peak / TARGET), SIMULATED.maxWorkers);
    assert.ok(starting + up <= wanted, `${starting + up} workers at ${second}, ${wanted} wanted`);
    assert.ok(starting + up + retiring <= 2 * SIMULATED.maxWorkers);
  }
}

/** Two seconds beyond what all workers together need, counted from the last arrival or from the highest backlog. */
function assertDrained({ shape, samples, drainedSecond }: Simulation): void {
  const perSecond = (SIMULATED.maxWorkers * SIMULATED.slots * 1_000) / shape.runMs;
  const backlog = Math.max(...samples.map(({ waiting }) => waiting));
  const lastArrival = shape.arrivals.findLastIndex((runs) => runs > 0);
  const bound =
    lastArrival + (backlog + sum(shape.arrivals.slice(lastArrival))) / perSecond + shape.runMs / 1_000 + 2;
  assert.ok(drainedSecond <= bound, `drained at ${drainedSecond} s, not by ${bound}`);
}

/** The grace after the last run, three halvings of eight, and a second each to look and to end. */
function assertZeroAtEnd({ samples, drainedSecond }: Simulation): void {
  const isZero = ({ starting, up, retiring }: Simulation["samples"][number]) =>
    starting + up + retiring === 0;
  const zeroSecond = samples.findLastIndex((sample) => !isZero(sample)) + 1;
  const bound = drainedSecond + SIMULATED.idleAfterMs / 1_000 + 3 + 2;
  assert.ok(zeroSecond <= bound, `zero at ${zeroSecond} s, not by ${bound}`);
  assert.ok(
    zeroSecond >= drainedSecond + SIMULATED.idleAfterMs / 1_000 - 1,
    "gone before the grace was over",
  );
}

const sum = (numbers: LoadShape["arrivals"]) => numbers.reduce((total, each) => total + each, 0);
