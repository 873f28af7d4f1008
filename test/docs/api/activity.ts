/** The part "Activity" of the chapter "Runs". */
import assert from "node:assert/strict";
import { divideSpan, MAX_ACTIVITY_MS, MIN_ACTIVITY_MS } from "../../../core/domain/activity.ts";
import { SAMPLE_BOUNDS } from "../../../core/store/activity/sample-activity.ts";
import { ACTIVITY_MS } from "../../../scheduler/jobs.ts";
import { n, type Statement, statement } from "./statement.ts";

const MINUTE_MS = 60_000;
const FOLD = "core/store/activity/fold-activity.test.ts";
const DIVIDED = "core/domain/activity.test.ts";

export const ACTIVITY: Statement[] = [
  statement("within 1h by default", async ({ tenant }) => {
    const { body } = await tenant.call("GET", "/v1/activity");
    assert.deepEqual([body.step, body.items.length], ["1m", 60]);
  }),
  {
    says: "within of 1 minute to 24 hours",
    holds: () => assert.deepEqual([MIN_ACTIVITY_MS, MAX_ACTIVITY_MS], [MINUTE_MS, 24 * 60 * MINUTE_MS]),
    heldBy: [["api/activity/activity.test.ts", "the time asked for is bounded"]],
  },
  {
    says: "5 minutes if you ask for more than 2 hours, 15 for more than 10 hours",
    holds() {
      const stepOf = (minutes: number) => divideSpan(new Date(), minutes * MINUTE_MS).stepMs / MINUTE_MS;
      assert.deepEqual([120, 121, 600, 601].map(stepOf), [1, 5, 5, 15]);
    },
    heldBy: [[DIVIDED, "a span has few slices, and the present is in the last of them"]],
  },
  {
    says: `waiting is counted up to ${n(SAMPLE_BOUNDS.ofNamespace)}, and to fewer if more than ten namespaces have waiting runs`,
    holds: () => assert.equal(SAMPLE_BOUNDS.inAll / SAMPLE_BOUNDS.ofNamespace, 10),
    heldBy: [[FOLD, "runs that wait for a limit or an earlier run are sampled"]],
  },
  {
    says: "Schedulers count every 10 seconds",
    holds: () => assert.equal(ACTIVITY_MS, 10_000),
    heldBy: [[FOLD, "each end counts once, by its outcome"]],
  },
];
