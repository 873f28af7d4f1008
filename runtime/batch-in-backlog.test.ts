import assert from "node:assert/strict";
import { test } from "node:test";
import { wantsMoreEnds, wantsMoreSlots } from "./batch-in-backlog.ts";
import { CLAIM_BATCH } from "./decide-claim.ts";

const backlog = { slots: 100, hasBacklog: true };

test("without a backlog no free slot waits for another, and no run that ended", () => {
  for (const freeSlots of [1, 5, 100]) {
    assert.equal(wantsMoreSlots({ ...backlog, hasBacklog: false, freeSlots }), false);
    assert.equal(wantsMoreEnds({ ...backlog, hasBacklog: false, inWork: 100 - freeSlots, ended: 1 }), false);
  }
});

test("in a backlog a claim waits for an eighth of the slots, and a record for as many ends", () => {
  const slotsOf = (freeSlots: number) => wantsMoreSlots({ ...backlog, freeSlots });
  assert.deepEqual([slotsOf(12), slotsOf(13)], [true, false]);
  const endsOf = (ended: number) => wantsMoreEnds({ ...backlog, inWork: 100, ended });
  assert.deepEqual([endsOf(12), endsOf(13)], [true, false]);
});

test("a worker of few slots waits for none, one of very many for no more than a claim takes", () => {
  for (const slots of [1, 2, 8]) {
    assert.equal(wantsMoreSlots({ ...backlog, slots, freeSlots: 1 }), false);
    assert.equal(wantsMoreEnds({ ...backlog, slots, inWork: slots, ended: 1 }), false);
  }
  const many = { ...backlog, slots: 10_000 };
  for (const count of [CLAIM_BATCH - 1, CLAIM_BATCH]) {
    assert.equal(wantsMoreSlots({ ...many, freeSlots: count }), count < CLAIM_BATCH);
    assert.equal(wantsMoreEnds({ ...many, inWork: 10_000, ended: count }), count < CLAIM_BATCH);
  }
});

test("runs that ended wait for no others where no others are in work", () => {
  assert.equal(wantsMoreEnds({ ...backlog, inWork: 5, ended: 5 }), false);
  assert.equal(wantsMoreEnds({ ...backlog, inWork: 6, ended: 5 }), true);
});
