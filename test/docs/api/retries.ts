/** Chapter "Tasks", of it: retries and limits of time. */
import { bounded, HTTP_TASK, held, type Statement, statement } from "./statement.ts";

const DAYS_MS = 86_400_000;
const waits = (count: number) => Array.from({ length: count }, () => "1m");
const list = (given: string[]) => ({ retry: { backoff: { kind: "list", waits: given } } });
const listed = (count: number) => ({ retry: { on: Array.from({ length: count }, () => 503) } });

/** A row whose bound is that a duration is at least 1 ms. */
const limitRow = (field: "ttl" | "deadline", meaning: string) =>
  statement(
    `| ${field} | null | ${meaning}; at least 1 ms |`,
    bounded(HTTP_TASK, {
      field,
      takes: [{ [field]: "1ms" }, { [field]: null }, { [field]: "3660d" }],
      refuses: [{ [field]: "0ms" }, { [field]: "0.4ms" }],
    }),
  );

export const RETRIES: Statement[] = [
  limitRow("ttl", "how long a run may wait for its first attempt, from its scheduledFor"),
  limitRow("deadline", "how long a run may take in total, from its scheduledFor"),
  statement(
    "| pauseAfterFailures | null | the task is paused after this many consecutive failed runs, 1 to 100 |",
    bounded(HTTP_TASK, {
      field: "pauseAfterFailures",
      takes: [{ pauseAfterFailures: 1 }, { pauseAfterFailures: 100 }, { pauseAfterFailures: null }],
      refuses: [{ pauseAfterFailures: 0 }, { pauseAfterFailures: 101 }, { pauseAfterFailures: 1.5 }],
    }),
  ),
  held("| field of catchUp | default | meaning |", [
    "core/contracts/catch-up-field.test.ts",
    "what is left out of a catch-up has its default",
  ]),
  statement(
    "| window | null | instants missed longer ago are not made up for; at least 1 s |",
    bounded(HTTP_TASK, {
      field: "catchUp.window",
      takes: [{ catchUp: { window: "1s" } }, { catchUp: { window: null } }],
      refuses: [{ catchUp: { window: "999ms" } }],
    }),
  ),
  statement(
    "| max | 100 | with all: how many of the newest, 1 to 1,000 |",
    bounded(HTTP_TASK, {
      field: "catchUp.max",
      takes: [{ catchUp: { max: 1 } }, { catchUp: { max: 1_000 } }, { catchUp: {} }],
      refuses: [{ catchUp: { max: 0 } }, { catchUp: { max: 1_001 } }],
    }),
  ),
  held('| {"initial", "factor", "max", "jitter"}, or the same with "kind": "exponential" |', [
    "core/domain/retry.test.ts",
    "without jitter the wait grows by the factor up to the cap",
  ]),
  held("the nth of waits, or the last one if there are fewer", [
    "core/domain/retry.test.ts",
    "a list says each, its last one what follows",
  ]),
  statement(
    "1 to 99 of them, each",
    bounded(HTTP_TASK, {
      field: "retry.backoff.waits",
      takes: [list(waits(1)), list(waits(99))],
      refuses: [list([]), list(waits(100))],
    }),
  ),
  statement(
    "each 1 ms to 7 days",
    bounded(HTTP_TASK, {
      field: "retry.backoff.waits.0",
      takes: [list(["1ms"]), list(["7d"])],
      refuses: [list(["0ms"]), list([`${7 * DAYS_MS + 1}ms`])],
    }),
  ),
  held("the failures that are retried while attempts are left; every other failure is final at once", [
    "core/domain/retry.test.ts",
    "retry.on says which failures are tried again, and the others fail at once",
  ]),
  held("including Bellhop's own, such as worker_lost", [
    "core/store/runs/rescue.test.ts",
    "a lost run whose failure is not in its task's list is not tried again",
  ]),
  held('a status (503) or a class of them ("5xx")', [
    "core/domain/retry.test.ts",
    "retry.on says which failures",
  ]),
  statement(
    "There are 1 to 100",
    bounded(HTTP_TASK, {
      field: "retry.on",
      takes: [listed(1), listed(100)],
      refuses: [listed(0), listed(101)],
    }),
  ),
  held("even if it would otherwise be final, such as a 404", [
    "core/domain/retry.test.ts",
    "retry.on says which failures",
  ]),
  statement(
    "An unknown code is a 422 that names it. So are those that the list does not control: function_retry, function_fatal, expired, deadline_exceeded, outcome_unknown and response_lost",
    bounded(HTTP_TASK, {
      field: "retry.on.1",
      takes: [{ retry: { on: [503, "worker_lost", "504", "4xx"] } }],
      refuses: [
        ...[
          "function_retry",
          "function_fatal",
          "expired",
          "deadline_exceeded",
          "outcome_unknown",
          "response_lost",
          "oops",
          "6xx",
          "099",
        ],
      ].map((code) => ({ retry: { on: [503, code] } })),
    }),
  ),
  held(
    "It becomes expired, with the error code expired and no attempts",
    ["core/store/runs/expire.test.ts", "what nobody claimed within its ttl expires, once"],
    ["core/store/runs/expire.test.ts", "a worker that claimed it too late ends it"],
    ["runtime/attempt.test.ts", "a run that was claimed after its ttl is not run"],
  ),
  held(
    "fails as deadline_exceeded and becomes a dead letter as usual",
    ["core/domain/retry.test.ts", "no retry is planned for the deadline or later"],
    ["runtime/attempt.test.ts", "the deadline cuts an attempt short"],
    [
      "runtime/attempt.test.ts",
      "a run that is claimed at its deadline or later is not run; a redrive counts anew",
    ],
  ),
];
