import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../../core/store/ids.ts";
import type { Bell } from "../../core/store/listen.ts";
import { cancelRuns } from "../../core/store/runs/cancel.ts";
import { findEndedRuns } from "../../core/store/runs/ended.ts";
import { queueRun } from "../../core/store/testing/samples.ts";
import { openTestStore } from "../../core/store/testing/test-store.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createFinishWaiter } from "./wait.ts";

const { store, db, newNamespace } = await openTestStore(createTestDatabase);
const never = new AbortController().signal;

test("when word may be missing, all that are waited for are asked about at once, and those that ended are told", async () => {
  const namespaceId = await newNamespace();
  const [ended, going] = [await queueRun(store, namespaceId), await queueRun(store, namespaceId)];
  await cancelRuns(db, namespaceId, { runId: ended });
  let bell: (bell: Bell) => void = () => {};
  const asked: string[][] = [];
  const clock = createManualClock();
  const waiter = createFinishWaiter(
    {
      async on(_channel, handler) {
        bell = handler;
      },
      isListening: () => true,
      async close() {},
    },
    clock,
    (ids) => {
      asked.push(ids);
      return findEndedRuns(store, ids);
    },
  );
  for (const id of [ended, going]) waiter.expect(id);
  const heard: string[] = [];
  const waits = [ended, going].map((id) => waiter.next(id, never).then(() => heard.push(id)));
  bell({ ids: [], resync: true });
  bell({ ids: [], resync: true });
  await waits[0];
  assert.deepEqual(asked, [[ended, going]], "one question at a time");
  assert.deepEqual(heard, [ended]);
  bell({ ids: [going], resync: false });
  await waits[1];
  assert.deepEqual(heard, [ended, going]);
});

test("a run that is not open is told of, one that waits or runs is not", async () => {
  const namespaceId = await newNamespace();
  const queued = await queueRun(store, namespaceId);
  const unknown = newId();
  assert.deepEqual(await findEndedRuns(store, [queued, unknown]), [unknown]);
});
