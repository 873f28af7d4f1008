import assert from "node:assert/strict";
import { test } from "node:test";
import { RUN_TRIGGERS } from "../domain/run-trigger.ts";
import type { EndCause, EndedRun } from "../store/runs/end.ts";
import { createRunEnds } from "./run-ends.ts";
import { tellFailures } from "./tell-failures.ts";
import { endedRun } from "./testing/ended-run.ts";

const SECRET = "what the function said";
const ERROR = { code: "function_error", message: SECRET };

function tell(...runs: EndedRun[]): { fields: object; message: string }[] {
  const lines: { fields: object; message: string }[] = [];
  const log = { warn: (fields: object, message: string) => void lines.push({ fields, message }) };
  const traceOf = () => ({ traceId: "trace" });
  const fail = (error: unknown) => assert.fail(error as Error);
  createRunEnds([tellFailures(log as never, traceOf)], fail).tell(runs);
  assert.doesNotMatch(JSON.stringify(lines), new RegExp(SECRET));
  return lines;
}

const failed = (given: Partial<EndedRun> = {}) =>
  endedRun({ type: "function", functionName: "broken", state: "failed", error: ERROR, ...given });

test("a run that failed is one readable line, whatever made it and whoever ended it", () => {
  for (const trigger of RUN_TRIGGERS)
    for (const cause of ["worker", "rescue", "lost_call"] satisfies EndCause[]) {
      const run = failed({ trigger, cause });
      const { runId, taskId } = run;
      assert.deepEqual(tell(run), [
        {
          fields: {
            ...{ event: "run_failed", runId, taskId, type: "function", function: "broken", trigger },
            ...{ code: "function_error", attempt: 1, isDead: false, traceId: "trace" },
          },
          message: `run ${runId} (function broken, ${trigger}) failed: function_error; GET /v1/runs/${runId} tells more`,
        },
      ]);
    }
});

test("so is a dead letter; what goes on, succeeded or was given up on purpose is none", () => {
  const dead = failed({ state: "dead", type: "http", functionName: null });
  const [line, ...others] = tell(
    dead,
    failed({ state: "scheduled" }),
    failed({ state: "queued", cause: "worker" }),
    failed({ state: "cancelled", cause: "cancel" }),
    failed({ cause: "discard" }),
    endedRun(),
  );
  assert.deepEqual(others, []);
  assert.equal(
    line?.message,
    `run ${dead.runId} (http, schedule) failed and is a dead letter: function_error; GET /v1/runs/${dead.runId} tells more`,
  );
});
