/** Chapter "One run for many calls". */
import assert from "node:assert/strict";
import { assertProblem } from "../../../api/testing/problem.ts";
import {
  MAX_COLLECTED,
  MAX_COLLECTED_BYTES,
  MAX_JOIN_WAIT_MS,
  packInputs,
} from "../../../core/domain/joining.ts";
import { formatDuration } from "../../../core/duration.ts";
import type { Json } from "../../../core/json.ts";
import { held, makeFunction, n, type Statement, statement, type World } from "./statement.ts";

const API = "api/calls/joining.test.ts";
const TASKS = "api/tasks/joining.test.ts";
const STORE = "core/store/joins/join.test.ts";
const DECISION = "core/domain/joining.test.ts";
const LONGEST = formatDuration(MAX_JOIN_WAIT_MS);
const DEBOUNCE = { key: "k", wait: "5s" };
const COLLECT = { size: 2, wait: "5s" };

interface Bounds {
  name: "debounce" | "collect";
  field: string;
  takes: Record<string, Json>[];
  refuses: Record<string, Json>[];
}

/** Each is what stands in place of a field of a parameter that is right. */
const bounds =
  ({ name, field, takes, refuses }: Bounds) =>
  async ({ tenant }: World) => {
    await makeFunction(tenant);
    const call = (given: Record<string, Json>) => {
      const value = { ...(name === "debounce" ? DEBOUNCE : COLLECT), ...given };
      const query = new URLSearchParams({ [name]: JSON.stringify(value) });
      const headers = { prefer: "respond-async" };
      return tenant.call("POST", `/v1/functions/greet/invoke?${query}`, { body: 1, headers });
    };
    for (const given of refuses) assertProblem(await call(given), 422, "invalid_input", [`${name}.${field}`]);
    for (const given of takes) assert.equal((await call(given)).status, 202, JSON.stringify(given));
  };

export const JOINING: Statement[] = [
  held("they are refused to callers who wait, and cannot be combined (422)", [
    API,
    "what is wrong is refused by its field, and makes nothing",
  ]),
  statement(
    "| debounce.key | required | 1 to 128 characters",
    bounds({
      name: "debounce",
      field: "key",
      takes: [{ key: "x" }, { key: "x".repeat(128) }],
      refuses: [{ key: "" }, { key: "x".repeat(129) }],
    }),
  ),
  statement(
    `| debounce.wait | required | how long after the last call the run is due, 10ms to ${LONGEST} |`,
    bounds({
      name: "debounce",
      field: "wait",
      takes: [{ wait: "10ms" }, { wait: LONGEST }],
      refuses: [{ wait: "9ms" }, { wait: "169h" }],
    }),
  ),
  held(`| debounce.max | ten times wait, at most ${LONGEST} |`, [
    DECISION,
    "left out, the maximum is ten waits, a week at most",
  ]),
  statement(
    `at least wait, at most ${LONGEST} |`,
    bounds({
      name: "debounce",
      field: "max",
      takes: [{ max: "5s" }, { max: LONGEST }],
      refuses: [{ max: "4s" }, { max: "169h" }],
    }),
  ),
  statement(
    `| collect.size | required | maximum number of inputs, 1 to ${n(MAX_COLLECTED)}`,
    bounds({
      name: "collect",
      field: "size",
      takes: [{ size: 1 }, { size: MAX_COLLECTED }],
      refuses: [{ size: 0 }, { size: MAX_COLLECTED + 1 }],
    }),
  ),
  statement(
    `| collect.wait | required | how long after the first call it is due, 10ms to ${LONGEST} |`,
    bounds({
      name: "collect",
      field: "wait",
      takes: [{ wait: "10ms" }, { wait: LONGEST }],
      refuses: [{ wait: "9ms" }, { wait: "169h" }],
    }),
  ),
  held(
    "The response is the 202 of every call that nobody waits for",
    [API, "debounced calls are answered with one run, and say who joined"],
    [STORE, "a run that was cancelled is joined no more"],
  ),
  held("dedup cannot be combined with either (422)", [
    TASKS,
    "a cancelled task runs no more, and with dedup it is refused",
  ]),
  held("and is answered 200 with that task and", [
    TASKS,
    "a task without a schedule takes the place of the one that waits with its key",
  ]),
  held("the next request creates another (201)", [
    TASKS,
    "a task without a schedule takes the place of the one that waits with its key",
  ]),
  held("whose task has its id before it is created, refuse it (422 naming debounce)", [
    TASKS,
    "elsewhere a task without a schedule is not debounced, and says so",
  ]),
  held("applies to POST /v1/tasks/{id}/run: the 202 shows the run, with joined", [
    TASKS,
    "runs that a task debounces become one, which is given what the last was",
  ]),
  held("| debounce | null |", [TASKS, "runs that a task debounces become one"]),
  held("| collect | null |", [TASKS, "what does not go together is refused by its field"]),
  statement(`Together they have at most ${n(MAX_COLLECTED_BYTES)} bytes`, () => {
    const half = MAX_COLLECTED_BYTES / 2;
    const countOf = (bytes: number[]) => packInputs(undefined, bytes, 10).map(({ count }) => count);
    assert.deepEqual([countOf([half, half]), countOf([half, half + 1])], [[2], [1, 1]]);
  }),
];
