import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../../core/store/ids.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createExpectedCall } from "./expected-call.ts";

test("one worker is told which call it is started for, while that was rung a moment ago", async () => {
  const clock = createManualClock();
  const expected = createExpectedCall(clock);
  assert.equal(expected.take(), undefined);
  const revisionId = newId();
  expected.hear({ ids: [revisionId] });
  // A bell that names none says nothing of the one before.
  expected.hear({ ids: [] });
  await clock.advance(999);
  assert.equal(expected.take(), revisionId);
  assert.equal(expected.take(), undefined, "the next one is started for something else");
  expected.hear({ ids: [revisionId] });
  await clock.advance(1_000);
  assert.equal(expected.take(), undefined);
});

test("what is no id is told to nobody", () => {
  const expected = createExpectedCall(createManualClock());
  expected.hear({ ids: ["--inspect"] });
  assert.equal(expected.take(), undefined);
});
