/** Chapters "Create many" and "Bulk actions". */
import { MAX_BODY_BYTES } from "../../../api/bodies/body.ts";
import { assertProblem } from "../../../api/testing/problem.ts";
import { MAX_BATCH_ITEMS } from "../../../core/contracts/task-batch.ts";
import { MAX_BACKFILL } from "../../../core/domain/backfill.ts";
import { MAX_KEPT_FAILURES } from "../../../core/domain/bulk.ts";
import { MAX_RUNNING } from "../../../core/store/bulk/bulk-actions.ts";
import { COUNT_MS } from "../../../core/store/bulk/find-matches.ts";
import { HTTP_TASK, held, n, type Statement } from "./statement.ts";

const BATCH = "api/tasks/batch.test.ts";
const ROUTES = "api/bulk/routes.test.ts";
const ERASE = "api/bulk/erase.test.ts";
const BACKFILL = "api/tasks/backfill.test.ts";
const DRIVE = "core/store/bulk/drive.test.ts";

export const BULK: Statement[] = [
  held("after each batch all bulk actions rest six times as long as it took", [
    "core/store/bulk/drive.test.ts",
    "a batch of tasks ends where its time is up, and the next goes on",
  ]),
  held('{ "status": 201, "task": { "…": "…" } }, { "status": 422, "problem": { "code": "unknown_function"', [
    BATCH,
    "each item is made as POST /v1/tasks makes it",
  ]),
  {
    says: `1 to ${n(MAX_BATCH_ITEMS)} items in a body of at most ${n(MAX_BODY_BYTES)} bytes. Each is created`,
    async holds({ tenant }) {
      const items = [{ ...HTTP_TASK, body: "x".repeat(MAX_BODY_BYTES) }];
      assertProblem(await tenant.call("POST", "/v1/tasks/batch", { body: { items } }), 413, "body_too_large");
    },
    heldBy: [[BATCH, "a thousand items are taken; one more, none, and what is no batch are refused whole"]],
  },
  held("a refused item does not stop the others: the response is a 200 that gives for each item", [
    BATCH,
    "one that is refused stops no other",
  ]),
  held("a task that was created is shown by its id alone, in place of task", [
    "api/http/preferences.test.ts",
    "of each item of a batch only the id of its task is told, and what is wrong with one that is refused",
  ]),
  held(`the first ${MAX_KEPT_FAILURES} of them are in failures`, [
    DRIVE,
    "counts all that failed, and keeps the first of them",
  ]),
  held(
    "including failed ones), aborted, or failed if it could not continue: error then says why",
    [ROUTES, "an abort ends it where it stands"],
    [
      DRIVE,
      "one that cannot go on is tried again, later each time, keeps no other waiting, and fails at last",
    ],
  ),
  held("A batch that fails is retried four times, after 1 s and then twice as long each time", [
    DRIVE,
    "one that cannot go on is tried again, later each time, keeps no other waiting, and fails at last",
  ]),
  held('"receipt": { "tasks": 2, "runs": 4711, "logLines": 90210, "events": 12, "deliveries": 31', [
    ERASE,
    "of what is erased nothing is left in any table",
  ]),
  held("until then aborting is set, and afterwards state is aborted", [
    ERASE,
    "an abort ends what was begun, and takes up no more",
  ]),
  held("a repetition creates nothing and is a 409 answer_not_kept", [
    ERASE,
    "of what is erased nothing is left in any table",
  ]),
  held('"failures": [{ "id": "…", "code": "run_not_open"', [
    DRIVE,
    "a run in a state that the action is not for fails with its reason",
  ]),
  held("A bulk action that ended otherwise is a 409 bulk_action_ended", [
    ROUTES,
    "an abort ends it where it stands; one that is over cannot be aborted",
  ]),
  held('a 200 with "id": null and the exact number of matches in matched', [
    ROUTES,
    "a dry run counts what matches, changes nothing and leaves nothing",
  ]),
  held(`If counting takes longer than ${COUNT_MS / 1_000} s it is a 422 count_too_slow`, [
    DRIVE,
    "a count that takes too long is given up",
  ]),
  held(
    `A namespace has at most ${MAX_RUNNING} running bulk actions; the next is a 429 too_many_bulk_actions`,
    [ROUTES, "ten of a namespace run at once; the next is a 429"],
  ),
  held(
    `running bulk actions of a namespace; instants of a backfill | 1 to ${n(MAX_BATCH_ITEMS)}; ${MAX_RUNNING}; ${n(MAX_BACKFILL)} |`,
    [ROUTES, "ten of a namespace run at once"],
  ),
  held(`max is 500 by default and at most ${n(MAX_BACKFILL)}: if there are more instants, it is a 422`, [
    BACKFILL,
    "more instants than max, and what cannot be, is refused by its field before anything is made",
  ]),
  held('"dryRun": true counts them, creates nothing and answers 200 with matched', [
    BACKFILL,
    "a dry run counts the instants, and leaves nothing",
  ]),
  held(
    "the action is failed with the code task_cancelled; a task that was cancelled before is a 409 task_cancelled",
    [
      "core/store/bulk/backfill.test.ts",
      "a task that is cancelled meanwhile ends it, and the answer says so",
    ],
  ),
];
