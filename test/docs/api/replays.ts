/** Chapter "Replays". */
import assert from "node:assert/strict";
import { MAX_REQUEST_BODY_BYTES } from "../../../api/runs/replay-input.ts";
import { assertProblem } from "../../../api/testing/problem.ts";
import { MAX_ORIGINAL_INPUT_BYTES } from "../../../core/domain/kept-input.ts";
import { SAMPLE_ERROR } from "../../../core/store/testing/samples.ts";
import { held, makeFunction, n, type Statement, statement } from "./statement.ts";

const REPLAY = "api/runs/replay.test.ts";

export const REPLAYS: Statement[] = [
  statement(
    `at most ${n(MAX_REQUEST_BODY_BYTES)} bytes, null for none; a GET or HEAD takes only null`,
    async ({ api, tenant }) => {
      await makeFunction(tenant);
      const { url } = (await tenant.call("POST", "/v1/functions/greet/hooks")).body;
      const { runId } = (await api.anonymous.call("POST", new URL(url, "http://a").pathname)).body;
      await api.work(runId, { state: "failed", error: SAMPLE_ERROR });
      const replay = (bytes: number) =>
        tenant.call("POST", `/v1/runs/${runId}/replay`, { body: { input: "x".repeat(bytes) } });
      assertProblem(await replay(MAX_REQUEST_BODY_BYTES + 1), 413, "body_too_large");
      assert.equal((await replay(MAX_REQUEST_BODY_BYTES)).status, 202);
    },
  ),
  held("An e-mail takes none (422)", [REPLAY, "an e-mail's replay takes no input"]),
  held(`up to ${MAX_ORIGINAL_INPUT_BYTES / 1_024} KB of JSON text (${n(MAX_ORIGINAL_INPUT_BYTES)} bytes`, [
    "core/domain/kept-input.test.ts",
    "the original is kept where the row shows another input, up to its bound",
  ]),
  held("it is a 409 input_not_kept: give input", [
    REPLAY,
    "a call of a function's URL is replayed with its method and URL, and the body that is given",
  ]),
  held("its function was removed, it is a 409 revision_unavailable", [
    REPLAY,
    "the same revision of a function that was removed is a 409",
  ]),
  held(
    "A waiting or running run is a 409 run_not_finished; one whose task is cancelled or removed, or whose function was removed, a 409 task_cancelled, task_removed or function_removed",
    [
      REPLAY,
      "a run that waits or runs is a 409, one of a task or function that is gone too, and nothing is made",
    ],
  ),
];
