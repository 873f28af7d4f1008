/** Chapter "Callbacks". */
import { DEFAULT_POLICY } from "../../../core/contracts/task-policy.ts";
import { MAX_MESSAGE_BYTES } from "../../../core/domain/callback-message.ts";
import { MAX_CALLBACK_DEPTH, MAX_CALLBACKS } from "../../../core/domain/callbacks.ts";
import { bounded, HTTP_TASK, held, n, type Statement, statement } from "./statement.ts";

const MAKING = "core/store/callbacks/make-callbacks.test.ts";
const API = "api/callbacks/callbacks.test.ts";
const ONE = { type: "http", url: "https://example.com/hook" };

export const CALLBACK_STATEMENTS: Statement[] = [
  statement(
    `Each list holds at most ${MAX_CALLBACKS} callbacks`,
    bounded(HTTP_TASK, {
      field: "on.success",
      takes: [{ on: { success: Array(MAX_CALLBACKS).fill(ONE) } }],
      refuses: [{ on: { success: Array(MAX_CALLBACKS + 1).fill(ONE) } }],
    }),
  ),
  held(
    "an e-mail if the operator has set no sender, are a 422 that names the field",
    [API, "what cannot be called is refused by its field, and nothing is made"],
    ["api/tasks/sender.test.ts", "so is a callback by e-mail, of a task and of the settings"],
  ),
  held("| failure | failed, dead, expired |", [MAKING, "each callback of an end is made once"]),
  held("the scheduler creates it within 1 second", [
    "scheduler/jobs.test.ts",
    "callbacks: those that no end of a run has made are made, however many, and rung",
  ]),
  held(`If the message would take more than ${n(MAX_MESSAGE_BYTES)} bytes`, [
    "core/domain/callback-message.test.ts",
    "a message holds the run as it is, and says where it had to leave something out",
  ]),
  held(`tried up to ${DEFAULT_POLICY.retry.maxAttempts} times with the default backoff and timeout`, [
    MAKING,
    "a callback is a run: claimed with what it sends, tried like a task's, and it calls nobody",
  ]),
  held(`Tasks that run each other continue for ${MAX_CALLBACK_DEPTH} runs after the first`, [
    MAKING,
    "a chain of tasks that call each other has a bound, and says so",
  ]),
];
