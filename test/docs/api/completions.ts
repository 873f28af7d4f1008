/** Chapter "Completing a run later". */

import { MAX_COMPLETION_BYTES } from "../../../api/completions/routes.ts";
import { MAX_CODE_CHARS, MAX_MESSAGE_CHARS } from "../../../core/contracts/completion.ts";
import { held, n, type Statement } from "./statement.ts";

const ROUTES = "api/completions/routes.test.ts";
const RUNNER = "runtime/runners/later.test.ts";
const STORE = "core/store/runs/complete.test.ts";

export const COMPLETIONS: Statement[] = [
  held("may answer an HTTP task with 202 and Bellhop-Complete: later", [
    RUNNER,
    "a 202 that says later puts the attempt off",
  ]),
  held(
    `fails the attempt as reported_failure, with its message (1 to ${n(MAX_MESSAGE_CHARS)} characters), and in details its code (1 to ${MAX_CODE_CHARS} characters)`,
    [ROUTES, "a failure is tried again unless it says otherwise"],
    [ROUTES, "what says nothing of the attempt, or too much, is refused"],
  ),
  held("The wait lasts until the task's deadline", [
    RUNNER,
    "a 202 that says later puts the attempt off, until its deadline, or without one for its timeout",
  ]),
  held("A heartbeat restarts it, for as long as the timeout but never beyond the deadline", [
    STORE,
    "a heartbeat begins the wait anew, up to the deadline",
  ]),
  held("after it the attempt fails as completion_timeout, which is retried, or as deadline_exceeded", [
    STORE,
    "one that nobody completes in time fails",
  ]),
  held(`takes a body of at most ${n(MAX_COMPLETION_BYTES)} bytes`, [
    ROUTES,
    "what says nothing of the attempt, or too much, is refused",
  ]),
  held("It may be called before the 202 was sent", [
    ROUTES,
    "an attempt may be completed before its answer is recorded",
  ]),
  held("is a 410 attempt_over: there is nothing left to do", [ROUTES, "a result completes the run, once"]),
  held("Another token is a 404 completion_token_unknown", [
    ROUTES,
    "a token that is not Bellhop's, or of an attempt that is over",
  ]),
  held("Without that URL the 202 fails the attempt as completion_not_offered", [
    RUNNER,
    "where no URL was offered the attempt fails for good",
  ]),
];
