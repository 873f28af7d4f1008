/** Every run that has ended, whoever ended it: sums over the roles are all of them, and each is in there once. */

import { countEach } from "../telemetry/metrics/known-counter.ts";
import type { RunEndMetrics } from "../telemetry/metrics/run-ends.ts";
import type { EndConsumer } from "./run-ends.ts";

export const countEnds = ({ runsEnded }: RunEndMetrics): EndConsumer => ({
  name: "count ends",
  final(runs) {
    countEach(runsEnded, runs, ({ type, state }) => ({ type, state }));
  },
  // It has not ended: a redrive goes on with it, a discard ends it.
  dead: null,
  scheduled: null,
  givenBack: null,
});
