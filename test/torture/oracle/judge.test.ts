/** The oracle finds nothing in what is right, and each thing that is wrong by the invariant that forbids it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Evidence, Sample } from "./evidence.ts";
import { INVARIANTS } from "./invariants/index.ts";
import { judge } from "./judge.ts";
import {
  DUE,
  RUN,
  SAMPLE_LIFE,
  sampleAnswer,
  sampleAttempt,
  sampleBackfill,
  sampleChange,
  sampleEvidence,
  sampleRequest,
  sampleRow,
  sampleSchedule,
  sampleTask,
  TASK,
} from "./sample-evidence.ts";

const violated = (evidence: Evidence) => [
  ...new Set(judge(evidence).violations.map(({ invariant }) => invariant)),
];
const life = (...changes: Parameters<typeof sampleChange>[0][]) => changes.map(sampleChange);
const claimed = SAMPLE_LIFE.slice(0, 2);

const queueKey = "queue:n/narrow";
const QUEUE = sampleAnswer({
  ...{ act: "queue", key: "q", method: "PUT", path: "/v1/queues/narrow" },
  ...{ body: { concurrency: 1, rate: { limit: 1, per: "1s", burst: 1 } }, answer: {} },
});
/** Two runs of a queue, the second of which begins so much later, while the first goes on. */
const besideEachOther = (laterMs: number) =>
  life(
    { id: 1, op: "I", state: "queued", limitKeys: [queueKey] },
    { id: 2, op: "I", state: "queued", runId: "run-2", limitKeys: [queueKey] },
    { id: 3, state: "running", claimNo: 1, limitKeys: [queueKey], at: DUE },
    { id: 4, state: "running", claimNo: 1, runId: "run-2", limitKeys: [queueKey], at: DUE + laterMs },
  );
const called = sampleAnswer({
  ...{ act: "call", key: "c", path: "/v1/functions/errand/invoke", status: 200, runId: RUN, answer: {} },
});
const every = { kind: "every", everyMs: 4_000 };
const repeating = sampleTask({ schedule: every });
const sampleOf = (sample: Partial<Sample>): Sample => ({
  ...{ at: 1, roleBytes: {}, roleDescriptors: {}, connections: 5 },
  ...sample,
});
const collected = sampleAnswer({
  ...{ act: "collected", path: "/v1/functions/gather/invoke", status: 202, answer: { runId: RUN } },
});
const cancelled = sampleAnswer({
  path: `/v1/tasks/${TASK}/cancel`,
  firstAt: 12_000,
  status: 200,
  answer: {},
});

const WRONG: Record<string, [evidence: Evidence, invariant: string]> = {
  "a task that was acknowledged and is gone": [
    sampleEvidence({ more: { tasks: new Map() } }),
    "acknowledged-fires",
  ],
  "a task that never fired": [sampleEvidence({ rows: [], changes: [], requests: [] }), "acknowledged-fires"],
  "a task that fired for another instant": [
    sampleEvidence({ rows: [sampleRow({ scheduledFor: DUE + 5 })] }),
    "acknowledged-fires",
  ],
  "two runs of one instant": [
    sampleEvidence({
      rows: [sampleRow(), sampleRow({ id: "run-2" })],
      requests: [sampleRequest(), sampleRequest({ runId: "run-2" })],
      changes: [...SAMPLE_LIFE, ...SAMPLE_LIFE.map((change) => ({ ...change, runId: "run-2" }))],
    }),
    "fires-once",
  ],
  "a claim of a run that waits for its retry": [
    sampleEvidence({
      changes: life(
        { id: 1, op: "I", state: "queued" },
        { id: 2, state: "running", claimNo: 1 },
        { id: 3, state: "scheduled", claimNo: 1 },
        { id: 4, state: "running", claimNo: 2 },
      ),
    }),
    "legal-changes",
  ],
  "a claim under the old number": [
    sampleEvidence({
      changes: life({ id: 1, op: "I", state: "queued" }, { id: 2, state: "running", claimNo: 0 }),
      more: { requests: new Map() },
      rows: [sampleRow({ state: "running" })],
    }),
    "legal-changes",
  ],
  "a running run that is deleted": [
    sampleEvidence({ changes: [...claimed, sampleChange({ id: 9, op: "D", state: "running", claimNo: 1 })] }),
    "legal-changes",
  ],
  "two final rows": [
    sampleEvidence({ rows: [sampleRow(), sampleRow({ state: "failed" })] }),
    "one-final-row",
  ],
  "an end that is followed by another": [
    sampleEvidence({
      changes: [...SAMPLE_LIFE, sampleChange({ id: 40, op: "I", state: "failed", claimNo: 1 })],
    }),
    "one-final-row",
  ],
  "a final row that is gone": [sampleEvidence({ rows: [] }), "one-final-row"],
  "a success without a request": [sampleEvidence({ requests: [] }), "at-least-once"],
  "more requests than claims": [
    sampleEvidence({
      requests: [sampleRequest(), sampleRequest({ beganAt: DUE + 40, endedAt: DUE + 50 })],
    }),
    "at-least-once",
  ],
  "a request before the instant": [
    sampleEvidence({ requests: [sampleRequest({ beganAt: DUE - 5 })] }),
    "nothing-early",
  ],
  "a claim before the instant": [
    sampleEvidence({
      changes: SAMPLE_LIFE.map((change) => (change.id === 2 ? { ...change, at: DUE - 50 } : change)),
    }),
    "nothing-early",
  ],
  "an attempt beside an attempt": [
    sampleEvidence({
      requests: [sampleRequest({ endedAt: DUE + 5_000 }), sampleRequest({ beganAt: DUE + 100, attempt: 2 })],
    }),
    "no-overlap",
  ],
  "a run that does not end": [
    sampleEvidence({
      more: { facts: { ...sampleEvidence({}).facts, unquiet: [{ what: "a run that is queued", id: RUN }] } },
    }),
    "nothing-stuck",
  ],
  "a run that is late although all is healed": [
    sampleEvidence({ rows: [sampleRow({ scheduledFor: 106_000, startedAt: 117_000 })] }),
    "on-time-afterwards",
  ],
};

Object.assign(WRONG, {
  "a request that made two tasks": [
    sampleEvidence({ more: { tasks: new Map([TASK, "t2"].map((id) => [id, sampleTask({ id })])) } }),
    "asked-once",
  ],
  "an instant of which nothing tells": [
    // Its grid has 6,000 and 10,000 before the cancel.
    sampleEvidence({
      more: { tasks: new Map([[TASK, repeating]]), schedules: sampleSchedule(every), answers: [cancelled] },
    }),
    "every-instant",
  ],
  "a run of an instant that is excluded": [
    sampleEvidence({
      more: {
        tasks: new Map([[TASK, repeating]]),
        schedules: sampleSchedule({ ...every, exclude: { cron: "*/5 * * * * *" } }),
      },
    }),
    "exclusions-hold",
  ],
  "a run of a day that a calendar has closed": [
    sampleEvidence({
      more: {
        tasks: new Map([[TASK, repeating]]),
        schedules: sampleSchedule({ ...every, exclude: { calendar: "closed" } }),
        answers: [
          sampleAnswer({
            ...{ act: "calendar", method: "PUT", path: "/v1/calendars/closed", status: 200, answer: {} },
            ...{ body: { dates: ["1970-01-01"] }, firstAt: 3_000, at: 3_100 },
          }),
        ],
      },
    }),
    "exclusions-hold",
  ],
  "a request that was refused and made a task": [
    sampleEvidence({ more: { answers: [sampleAnswer({ status: 422, answer: {} })] } }),
    "refused-makes-nothing",
  ],
  "a run that is claimed after a change and made by what was before": [
    sampleEvidence({
      more: {
        answers: [
          sampleAnswer({
            ...{ act: "patch", key: "k7", method: "PATCH", path: `/v1/tasks/${TASK}`, status: 200 },
            ...{ body: { url: "http://target/run?plan=200&change=k7" }, firstAt: 5_000, at: 5_010 },
          }),
        ],
      },
    }),
    "changes-win",
  ],
  "an input that was acknowledged and is in no run": [
    sampleEvidence({ more: { answers: [collected], gathered: [{ runId: RUN, keys: ["k2"] }] } }),
    "inputs-in-one-run",
  ],
  "an input that is in two runs": [
    sampleEvidence({ more: { gathered: ["run-1", "run-2"].map((runId) => ({ runId, keys: ["k1"] })) } }),
    "inputs-in-one-run",
  ],
  "a debounced run with an input that was replaced": [
    sampleEvidence({
      more: {
        answers: ["k1", "k2"].map((key, index) => ({
          ...collected,
          ...{ act: "debounced", key, firstAt: 10 * index, at: 10 * index + 1 },
        })),
        gathered: [{ runId: RUN, keys: ["k1"] }],
      },
    }),
    "inputs-in-one-run",
  ],
  "a backfill that made fewer runs than it counts": [
    sampleEvidence({ more: { bulks: [sampleBackfill()] } }),
    "bulk-actions-whole",
  ],
  "a backfill that ended before its last instant": [
    sampleEvidence({
      rows: [sampleRow({ trigger: "backfill" })],
      more: { bulks: [sampleBackfill({ instants: 2 })], answers: [] },
    }),
    "bulk-actions-whole",
  ],
  "a bulk action that was acknowledged and is gone": [
    sampleEvidence({
      more: { answers: [sampleAnswer({ path: "/v1/bulk", status: 202, answer: { id: "b9" } })] },
    }),
    "bulk-actions-whole",
  ],
  "two runs at once where one may": [
    sampleEvidence({ changes: besideEachOther(5_000), more: { answers: [QUEUE] } }),
    "within-concurrency",
  ],
  "a start sooner than the rate allows": [
    sampleEvidence({
      changes: [0, 100, 200, 300].flatMap((laterMs, index) => {
        const run = { runId: `r${index}`, limitKeys: [queueKey] };
        return life(
          { ...run, id: 10 * index, op: "I", state: "queued" },
          { ...run, id: 10 * index + 1, state: "running", claimNo: 1, at: DUE + laterMs },
        );
      }),
      more: { answers: [QUEUE] },
    }),
    "within-rates",
  ],
  "a start in a pause": [
    sampleEvidence({
      changes: besideEachOther(5_000),
      more: {
        answers: [
          sampleAnswer({
            ...{ act: "pause of a queue", path: "/v1/queues/narrow/pause", status: 200, answer: {} },
            ...{ firstAt: DUE + 100, at: DUE + 200, body: { until: new Date(DUE + 9_000).toISOString() } },
          }),
        ],
      },
    }),
    "pauses-hold",
  ],
  "an occurrence beside an occurrence": [
    sampleEvidence({ changes: besideEachOther(10), more: { tasks: new Map([[TASK, repeating]]) } }),
    "one-at-a-time",
  ],
  "a caller who was told of a success that was none": [
    sampleEvidence({ rows: [sampleRow({ state: "failed" })], more: { answers: [called] } }),
    "callers-hear-the-end",
  ],
  "a server whose completion was lost": [
    sampleEvidence({
      rows: [sampleRow({ state: "failed" })],
      more: { completions: [{ runId: RUN, attempt: 1, status: 200, state: "succeeded" }] },
    }),
    "callers-hear-the-end",
  ],
  "an end without its callback": [
    sampleEvidence({ more: { answers: [sampleAnswer({ body: { on: {} } })] } }),
    "callbacks-delivered",
  ],
  "a callback of which its receiver never heard": [
    sampleEvidence({
      rows: [sampleRow(), sampleRow({ id: "c", callbackOf: RUN, trigger: "callback", taskId: null })],
      more: { answers: [sampleAnswer({ body: { on: {} } })] },
    }),
    "callbacks-delivered",
  ],
  "a line that is lost": [
    sampleEvidence({
      rows: [sampleRow({ functionId: "f" })],
      more: { logs: new Map([[RUN, [{ runId: RUN, attempt: 1, message: "begun 1" }]]]) },
    }),
    "logs-complete",
  ],
  "a dead letter that is gone": [
    sampleEvidence({
      changes: [...claimed, sampleChange({ id: 9, state: "dead", claimNo: 1 })],
      rows: [],
    }),
    "dead-letters-stay",
  ],
  "a role that grows": [
    sampleEvidence({ more: { samples: [sampleOf({ roleBytes: { "api-1": 2e9 } })] } }),
    "bounded",
  ],
  "a role that closes nothing": [
    sampleEvidence({ more: { samples: [sampleOf({ roleDescriptors: { "api-1": 5_000 } })] } }),
    "bounded",
  ],
  "bells that nobody dealt with": [
    sampleEvidence({
      more: { facts: { ...sampleEvidence({}).facts, lags: [{ topic: "runs", partition: 0, lag: 3 }] } },
    }),
    "no-lag",
  ],
} satisfies Record<string, [Evidence, string]>);

/** A run whose first attempt ended at DUE + 30, and whose second one began so much later. */
const triedAgain = (laterMs: number, more: Partial<Evidence> = {}, errorCode = "http_status") =>
  sampleEvidence({
    changes: life(
      { id: 1, op: "I", state: "queued" },
      { id: 2, state: "running", claimNo: 1, workerId: "w1" },
      { id: 3, state: "scheduled", claimNo: 1, at: DUE + 30, errorCode },
      { id: 4, state: "queued", claimNo: 1, at: DUE + 30, attempt: 2 },
      { id: 5, state: "running", claimNo: 2, at: DUE + 30 + laterMs, attempt: 2 },
    ),
    rows: [
      sampleRow({
        attempt: 2,
        attempts: [
          sampleAttempt({ error: { code: errorCode } }),
          sampleAttempt({ attempt: 2, beganMs: 30 + laterMs, endedMs: 40 + laterMs }),
        ],
      }),
    ],
    more,
  });

Object.assign(WRONG, {
  "a run that is taken from a worker that lives": [
    triedAgain(
      100,
      {
        leases: new Map([
          ["w1", [{ at: DUE - 3_000, op: "U" as const, workerId: "w1", leaseUntil: DUE + 1_000 }]],
        ]),
      },
      "worker_lost",
    ),
    "lease-kept",
  ],
  "an attempt that is on record twice": [
    sampleEvidence({ rows: [sampleRow({ attempts: [sampleAttempt(), sampleAttempt()] })] }),
    "attempts-in-order",
  ],
  "a retry that did not wait": [
    triedAgain(40, {
      answers: [sampleAnswer({ body: { retry: { backoff: { initial: "100ms", max: "1s" } } } })],
    }),
    "backs-off",
  ],
  "a retry that did not wait for the least of a list": [
    triedAgain(20, { answers: [sampleAnswer({ body: { retry: { backoff: { waits: ["50ms", "1s"] } } } })] }),
    "backs-off",
  ],
  "an attempt after the deadline": [
    triedAgain(3_000, { answers: [sampleAnswer({ body: { deadline: "3s" } })] }),
    "begins-in-time",
  ],
} satisfies Record<string, [Evidence, string]>);

describe("the oracle", () => {
  it("is shown a break of every invariant", () => {
    const broken = new Set(Object.values(WRONG).map(([, invariant]) => invariant));
    assert.deepEqual(
      INVARIANTS.map(({ name }) => name).filter((name) => !broken.has(name)),
      [],
    );
  });

  it("finds nothing in a run that did as it should", () => {
    assert.deepEqual(judge(sampleEvidence({})).violations, []);
  });

  for (const [what, [evidence, invariant]] of Object.entries(WRONG))
    it(`finds ${what}`, () => {
      assert.ok(violated(evidence).includes(invariant), `found ${violated(evidence)}`);
    });

  it("takes a second attempt for right where the first one's worker was lost", () => {
    const evidence = sampleEvidence({
      changes: life(
        { id: 1, op: "I", state: "queued" },
        { id: 2, state: "running", claimNo: 1, workerId: "w1" },
        { id: 50, state: "scheduled", claimNo: 1, errorCode: "worker_lost", attempt: 2 },
        { id: 51, state: "queued", claimNo: 1, errorCode: "worker_lost", attempt: 2 },
        { id: 52, state: "running", claimNo: 2, errorCode: "worker_lost", attempt: 2 },
        { id: 60, op: "D", state: "running", claimNo: 2 },
        { id: 61, op: "I", state: "succeeded", claimNo: 2, xid: "x60" },
      ),
      requests: [
        sampleRequest({ endedAt: DUE + 5_000, how: "aborted" }),
        sampleRequest({ beganAt: DUE + 100, attempt: 2 }),
      ],
    });
    assert.deepEqual(judge(evidence).violations, []);
  });

  it("takes a retry that waited, and began before its deadline, for right", () => {
    const body = { retry: { backoff: { initial: "100ms" } }, deadline: "1s" };
    const { violations } = judge(triedAgain(50, { answers: [sampleAnswer({ body })] }));
    const about = ["lease-kept", "attempts-in-order", "backs-off", "begins-in-time"];
    assert.deepEqual(
      violations.filter(({ invariant }) => about.includes(invariant)),
      [],
    );
  });

  it("takes lines that an attempt had not said when it was cancelled for none that are lost", () => {
    const logs = new Map([[RUN, [{ runId: RUN, attempt: 1, message: "begun 1" }]]]);
    const inState = (state: string) =>
      violated(sampleEvidence({ rows: [sampleRow({ state, functionId: "f" })], more: { logs } }));
    assert.ok(!inState("cancelled").includes("logs-complete"));
    assert.ok(inState("succeeded").includes("logs-complete"));
  });

  it("takes a run that was taken back before its instant, and staged anew, for right", () => {
    const evidence = sampleEvidence({
      changes: [
        sampleChange({ id: -2, op: "I", state: "queued", runId: "taken-back" }),
        sampleChange({ id: -1, op: "D", state: "queued", runId: "taken-back" }),
        ...SAMPLE_LIFE,
      ],
    });
    assert.deepEqual(judge(evidence).violations, []);
    assert.equal(evidence.tasks.has(TASK), true);
  });
});
