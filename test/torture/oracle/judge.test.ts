/** The oracle finds nothing in what is right, and each thing that is wrong by the invariant that forbids it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Evidence } from "./evidence.ts";
import { judge } from "./judge.ts";
import {
  DUE,
  RUN,
  SAMPLE_LIFE,
  sampleChange,
  sampleEvidence,
  sampleRequest,
  sampleRow,
  TASK,
} from "./sample-evidence.ts";

const violated = (evidence: Evidence) => [
  ...new Set(judge(evidence).violations.map(({ invariant }) => invariant)),
];
const life = (...changes: Parameters<typeof sampleChange>[0][]) => changes.map(sampleChange);
const claimed = SAMPLE_LIFE.slice(0, 2);

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

describe("the oracle", () => {
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
