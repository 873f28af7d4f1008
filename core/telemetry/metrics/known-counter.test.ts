import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { countEach, createKnownCounter, listAll, seriesOf } from "./known-counter.ts";

test("every series is told from the start, and no other can be counted", async () => {
  const registry = new Registry();
  const options = { name: "trains_total", help: "Trains.", registers: [registry] };
  const trains = createKnownCounter(options, seriesOf("end", ["arrived", "lost"]));
  trains.inc({ end: "arrived" });
  trains.inc({ end: "arrived" }, 2);
  // @ts-expect-error: no such series
  const misspelt = () => trains.inc({ end: "arived" });
  assert.ok(misspelt);
  const text = await registry.metrics();
  assert.deepEqual(text.match(/^trains_total.*$/gm), [
    'trains_total{end="arrived"} 3',
    'trains_total{end="lost"} 0',
  ]);
});

test("a list of all names does not compile without one of them", () => {
  type End = "arrived" | "lost";
  assert.deepEqual(listAll<End>({ arrived: true, lost: true }), ["arrived", "lost"]);
  // @ts-expect-error: `lost` is missing
  assert.deepEqual(listAll<End>({ arrived: true }), ["arrived"]);
});

test("each of many is counted under its labels, in whatever order they come", async () => {
  const registry = new Registry();
  const kinds = ["a", "b", "c"] as const;
  const options = { name: "seen_total", help: "Seen.", registers: [registry] };
  const counter = createKnownCounter(options, seriesOf("kind", kinds));
  let calls = 0;
  const counted: typeof counter = {
    inc(labels, count) {
      calls += 1;
      counter.inc(labels, count);
    },
  };
  countEach(counted, ["a", "a", "b", "a", "a", "a"] as const, (kind) => ({ kind }));
  countEach(counted, [], () => assert.fail("nothing is counted"));
  const { values } = await registry.getSingleMetric("seen_total")!.get();
  assert.deepEqual(
    values.map(({ labels, value }) => [labels["kind"], value]),
    [
      ["a", 5],
      ["b", 1],
      ["c", 0],
    ],
  );
  assert.equal(calls, 3);
});
