import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { createKnownCounter, listAll, seriesOf } from "./known-counter.ts";

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
