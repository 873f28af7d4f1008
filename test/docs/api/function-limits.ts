/** Chapter "Limits of a function". */
import assert from "node:assert/strict";
import { DEFAULT_SETTINGS } from "../../../api/testing/default-settings.ts";
import { assertProblem } from "../../../api/testing/problem.ts";
import {
  DEFAULT_FUNCTION_LIMITS,
  type FunctionLimits,
  MIN_FUNCTION_LIMITS,
} from "../../../core/domain/function-limits.ts";
import { readRows, readTable, withoutBackticks } from "./document.ts";
import { held, isCode, makeFunction, n, type Statement, statement, type World } from "./statement.ts";

const LIMITS = "| limit | default | minimum | cap | what it bounds |";
const CODES = "| code | what happened | what helps |";
const TESTS = "api/functions/limits.test.ts";
const caps = DEFAULT_SETTINGS.functionCaps;

const minutes = (ms: number) => `${ms / 60_000} minutes`;

/** Setting and its default, as the table shows the cap. */
const CAPS: Record<keyof FunctionLimits, string> = {
  memoryMb: `FUNCTION_MAX_MEMORY_MB, ${n(caps.memoryMb)}`,
  cpuMs: `FUNCTION_MAX_CPU, ${minutes(caps.cpuMs)}`,
  wallMs: `FUNCTION_MAX_WALL, ${minutes(caps.wallMs)}`,
  concurrency: `FUNCTION_MAX_CONCURRENCY, ${n(caps.concurrency)}`,
  logLines: `FUNCTION_MAX_LOG_LINES, ${n(caps.logLines)}`,
  resultBytes: `FUNCTION_MAX_RESULT_BYTES, ${n(caps.resultBytes)}`,
  subrequests: `FUNCTION_MAX_SUBREQUESTS, ${n(caps.subrequests)}`,
};
const NAMES = Object.keys(CAPS) as (keyof FunctionLimits)[];

/** Default, least and cap: what is at a bound is taken, what is beyond refused. */
const row = (name: keyof FunctionLimits): Statement => {
  const [byDefault, least, cap] = [DEFAULT_FUNCTION_LIMITS[name], MIN_FUNCTION_LIMITS[name], caps[name]];
  const shownDefault = byDefault === null ? "none" : n(byDefault);
  return statement(`| ${name} | ${shownDefault} | ${n(least)} | ${CAPS[name]} |`, async ({ tenant }) => {
    const put = (limits: Record<string, number>) =>
      tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1;", limits } });
    for (const value of [least - 1, cap + 1])
      assertProblem(await put({ [name]: value }), 422, "invalid_input", [`limits.${name}`]);
    for (const [given, value] of [
      [{}, byDefault],
      [{ [name]: least }, least],
      [{ [name]: cap }, cap],
    ] as const)
      assert.equal((await put(given)).body.revision.limits[name], value);
  });
};

async function showsDefaults({ tenant }: World): Promise<void> {
  const { body } = await makeFunction(tenant);
  assert.deepEqual(body.revision.limits, DEFAULT_FUNCTION_LIMITS);
  assert.deepEqual(
    readRows(LIMITS).map(([name]) => withoutBackticks(name!)),
    NAMES,
  );
}

export const FUNCTION_LIMITS: Statement[] = [
  statement(LIMITS, showsDefaults),
  ...NAMES.map(row),
  statement("reuse (default true)", async ({ tenant }) =>
    assert.equal((await makeFunction(tenant)).body.revision.reuse, true),
  ),
  held(
    "is a 422 that names the field (limits.memoryMb) and the bound, and nothing is deployed",
    [TESTS, "what is out of range, no whole number or unknown is refused by name, and nothing changes"],
    [TESTS, "the operator's caps refuse what is asked beyond them, say so, and lower the defaults"],
  ),
  held("A function shows the effective limits, with defaults and caps applied", [
    TESTS,
    "the operator's caps refuse what is asked beyond them, say so, and lower the defaults",
  ]),
  held(
    "still gets the 504 run_not_finished when its own time is over",
    ["api/calls/waiting.test.ts", "who waits is let go when his time is over, and not before"],
    ["core/store/limits/concurrency.test.ts", "only as many as there are permits for start; the others wait"],
  ),
  {
    says: withoutBackticks(readTable(CODES)),
    covers: isCode,
    heldBy: [
      ["runtime/sandbox/sandbox-limits.test.ts", "memory is told in the author's megabytes"],
      ["runtime/sandbox/sandbox-limits.test.ts", "processor time and wall time are told apart"],
      [
        "runtime/sandbox/parent/executor-runs.test.ts",
        "an executor killed for memory condemns the run under way alone",
      ],
    ],
  },
];
