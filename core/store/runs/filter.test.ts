import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { sql } from "kysely";
import { v7 } from "uuid";
import { createTestDatabase } from "../../../test/support/database.ts";
import { LIST_ORDERS } from "../../contracts/common.ts";
import type { Run } from "../../contracts/run.ts";
import type { RunFilter } from "../../contracts/run-filter.ts";
import { isTerminal, RUN_STATES, type RunState } from "../../domain/run-state.ts";
import { RUN_TRIGGERS } from "../../domain/run-trigger.ts";
import { removeFunction } from "../functions/remove.ts";
import { madeAtOf, newId } from "../ids.ts";
import { deployFunction } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { type Found, mergeWalks, type PageOptions, readWalks } from "../walk.ts";
import { planRunWalks, runConditions } from "./filter.ts";
import { estimateRuns, listRuns } from "./read.ts";

const { store, db, newNamespace } = await openTestStore(createTestDatabase);
const ours = await newNamespace();
const HOUR_MS = 3_600_000;
const startMs = Date.now() - 20 * HOUR_MS;
const at = (hour: number) => new Date(startMs + hour * HOUR_MS);
const [tasks, workers] = [
  [v7({ msecs: startMs }), v7({ msecs: startMs })],
  [v7({ msecs: startMs }), v7({ msecs: startMs })],
];
const CODES = ["timeout", "http_status"];
const FAILED: readonly RunState[] = ["failed", "dead", "scheduled"];

interface Facts {
  namespaceId: string;
  functionIds: string[];
  count: number;
}

/** Runs of every state, each with another mixture of the rest, two an hour. */
async function makeRuns({ namespaceId, functionIds, count }: Facts): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const state = RUN_STATES[n % RUN_STATES.length]!;
    const made = at(n / 8);
    const runId = v7({ msecs: made.getTime() });
    if (n % 7 === 0)
      await sql`INSERT INTO expectations (namespace_id, task_id, run_id, scheduled_for, due_at, missed_at)
        VALUES (${namespaceId}, ${newId()}, ${runId}, ${made}, ${made}, ${made})`.execute(db);
    const error = FAILED.includes(state) ? { code: CODES[n % 2], message: "no" } : null;
    await sql`INSERT INTO task_runs (id, namespace_id, task_id, function_id, type, trigger, state, scheduled_for,
        available_at, started_at, finished_at, dead_at, worker_id, error)
      VALUES (${runId}, ${namespaceId}, ${n % 3 === 0 ? null : tasks[n % 2]},
        ${n % 3 === 1 ? null : functionIds[n % functionIds.length]}, 'http', ${RUN_TRIGGERS[n % RUN_TRIGGERS.length]}, ${state}, ${made}, ${made},
        ${made}, ${isTerminal(state) ? new Date(made.getTime() + HOUR_MS) : "infinity"}, ${state === "dead" ? made : null},
        ${workers[n % 2]}, ${error})`.execute(db);
  }
}

let all: Run[];
before(async () => {
  const functionIds = [await deployFunction(db, ours, "mail"), await deployFunction(db, ours, "index")];
  await removeFunction(db, ours, "mail");
  functionIds.push(await deployFunction(db, ours, "mail"));
  await makeRuns({ namespaceId: ours, functionIds, count: 90 });
  const theirs = await newNamespace();
  await makeRuns({ namespaceId: theirs, functionIds: [await deployFunction(db, theirs, "mail")], count: 45 });
  all = (await listRuns(store, ours, {}, { limit: 200 })).rows;
});

/** Filters of one field each; the last of some fields match nothing. */
const SINGLE: RunFilter[] = [
  ...RUN_STATES.map((state) => ({ state: [state] })),
  ...[
    ["failed", "dead"],
    ["succeeded", "cancelled"],
    ["queued", "running", "expired"],
  ].map((state) => ({
    state: state as RunState[],
  })),
  ...[...tasks, newId()].map((taskId) => ({ taskId })),
  ...["mail", "index", "nothing"].map((name) => ({ function: name })),
  ...RUN_TRIGGERS.map((trigger) => ({ trigger })),
  ...[...CODES, "canceled"].map((errorCode) => ({ errorCode })),
  ...[...workers, newId()].map((worker) => ({ worker })),
  { expectation: "missed" },
  ...[0, 4.5, 30].map((hour) => ({ from: at(hour) })),
  ...[-1, 4.5, 30].map((hour) => ({ to: at(hour) })),
  { from: new Date("0001-01-01T00:00:00Z") },
];

/** What the filter says, said again. */
function matches(run: Run, filter: RunFilter): boolean {
  const { state, taskId, function: name, trigger, errorCode, expectation, worker, from, to } = filter;
  const made = madeAtOf(run.id);
  return (
    (!state || state.includes(run.state)) &&
    (taskId === undefined || run.taskId === taskId) &&
    (expectation === undefined || run.expectation === expectation) &&
    (name === undefined || run.functionName === name) &&
    (trigger === undefined || run.trigger === trigger) &&
    (errorCode === undefined || run.error?.code === errorCode) &&
    (worker === undefined || run.workerId === worker) &&
    (!from || made >= from) &&
    (!to || made < to)
  );
}

const idsOf = (rows: { id: string }[]) => rows.map(({ id }) => id);

async function readPages(read: (page: PageOptions) => Promise<Found<Run>>, page: PageOptions) {
  const pages: string[][] = [];
  for (let afterId: string | null | undefined; afterId !== null; ) {
    const { rows, nextId } = await read({ ...page, afterId });
    assert.ok(rows.length <= page.limit);
    pages.push(idsOf(rows));
    afterId = nextId;
  }
  return pages;
}

async function assertFinds(filter: RunFilter): Promise<void> {
  const newestFirst = idsOf(all.filter((run) => matches(run, filter)));
  for (const order of LIST_ORDERS) {
    const expected = order === "desc" ? newestFirst : newestFirst.toReversed();
    const pages = await readPages((page) => listRuns(store, ours, filter, page), { limit: 20, order });
    assert.deepEqual(pages.flat(), expected);
    for (const page of pages.slice(0, -1)) assert.equal(page.length, 20, "what is at hand fills the page");
    // As it is read where there is far more to look through than a page may.
    const briefly = async (page: PageOptions) => {
      const walks = await planRunWalks(db, ours, filter, page);
      const select = (found: unknown) => sql<Run>`SELECT r.id FROM (${found}) r`;
      return await readWalks(
        db,
        walks.map((walk) => ({ ...walk, maxRows: 25 })),
        { select },
        page,
      );
    };
    assert.deepEqual((await readPages(briefly, { limit: 15, order })).flat(), expected);
  }
  assert.equal(await estimateRuns(store, ours, filter), newestFirst.length);
  const { rows } = await sql<{ id: string }>`SELECT id FROM task_runs r
    WHERE ${sql.join(runConditions(ours, filter), sql` AND `)} ORDER BY id DESC`.execute(db);
  assert.deepEqual(idsOf(rows), newestFirst);
}

describe("a filter of runs finds what matches, of its namespace alone, page by page in either order", () => {
  for (const filter of SINGLE)
    test(JSON.stringify(filter), async () => {
      await assertFinds(filter);
    });
});

test("filters narrow each other, whichever are combined", async () => {
  let found = 0;
  for (const [index, one] of SINGLE.entries())
    for (const other of SINGLE.slice(index + 1).filter((_, next) => (index + next) % 23 === 0)) {
      const filter = { ...one, ...other };
      await assertFinds(filter);
      if (all.some((run) => matches(run, filter))) found += 1;
    }
  assert.ok(found > 5, "some find something");
});

test("a page ends where the walk that came least far stands, and a run that two walks find is shown once", () => {
  const rows = (...ids: string[]) => ids.map((id) => ({ id }));
  const merged = (order: "asc" | "desc", ...taken: [string[], string | undefined][]) =>
    mergeWalks(
      taken.map(([ids, reachedId]) => ({ rows: rows(...ids), reachedId })),
      { limit: 3, order },
    );
  assert.deepEqual(merged("desc", [["9", "5"], undefined], [["9", "8"], undefined]), {
    rows: rows("9", "8", "5"),
    nextId: null,
  });
  assert.deepEqual(merged("desc", [["9", "5"], undefined], [["8"], "6"]), {
    rows: rows("9", "8"),
    nextId: "6",
  });
  assert.deepEqual(merged("desc", [[], "7"], [["6", "5", "4", "3"], "3"]), { rows: [], nextId: "7" });
  assert.deepEqual(merged("desc", [["9", "6", "5", "4"], "4"], [["8", "7"], undefined]), {
    rows: rows("9", "8", "7"),
    nextId: "7",
  });
  assert.deepEqual(merged("asc", [["1", "4"], "4"], [["2", "5"], undefined]), {
    rows: rows("1", "2", "4"),
    nextId: "4",
  });
});

test("a state that is named twice is walked once", async () => {
  assert.equal((await planRunWalks(db, ours, { state: ["failed", "failed"] })).length, 1);
});
