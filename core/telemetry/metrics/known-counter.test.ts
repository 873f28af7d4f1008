import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { countEach, createKnownCounter, seriesOf } from "./known-counter.ts";

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
