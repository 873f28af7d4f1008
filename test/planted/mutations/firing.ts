/** Instants that fire not at all, twice or early. */
import { byModel, byTorture, type Mutation } from "../mutation.ts";

const CATCH_UP = "core/domain/catch-up.ts";
const STAGE = "core/store/runs/stage.ts";

export const FIRING_MUTATIONS = {
  "catch-up-forgets-passed": {
    what: "Instants that are passed over leave no record",
    edits: [
      {
        file: CATCH_UP,
        from: "passedOver: countSkipped(findNext, reason, due, until),",
        to: "passedOver: undefined,",
      },
    ],
    violates: ["fires-once"],
    ...byModel(1),
  },
  "catch-up-tells-twice": {
    what: "What is passed over includes the instant that fires after all",
    edits: [
      {
        file: CATCH_UP,
        from: "const until = fires[0] ? new Date(fires[0].getTime() - 1) : now;",
        to: "const until = now;",
      },
    ],
    violates: ["fires-once"],
    ...byModel(1),
  },
  "catch-up-forgets-the-first": {
    what: "Of what is passed over the first instant leaves no record",
    edits: [
      {
        file: CATCH_UP,
        from: "passedOver: countSkipped(findNext, reason, due, until),",
        to: "passedOver: second ? countSkipped(findNext, reason, second, until) : undefined,",
      },
    ],
    violates: ["fires-once"],
    ...byModel(1),
  },
  "catch-up-tells-of-one": {
    what: "Where nothing is made up for only the first instant that was missed is told of",
    edits: [
      {
        file: CATCH_UP,
        from: "new Date(fires[0].getTime() - 1) : now;",
        to: "new Date(fires[0].getTime() - 1) : due;",
      },
    ],
    violates: ["fires-once"],
    ...byModel(1),
  },
  "cursor-stays-behind": {
    what: "After a catch-up the cursor goes to the second instant that was missed, not to the next to come",
    edits: [
      {
        file: CATCH_UP,
        from: "nextRunAt: second === null || second > now ? second : findNext(now),",
        to: "nextRunAt: second,",
      },
    ],
    violates: ["fires-once"],
    ...byModel(1),
  },
  "staging-without-locks": {
    what: "Schedulers read due tasks without locking them",
    edits: [
      {
        file: "core/store/runs/take-due.ts",
        from: "ORDER BY ${rows.at} LIMIT $2 FOR UPDATE SKIP LOCKED",
        to: "ORDER BY ${rows.at} LIMIT $2",
      },
      {
        file: "core/store/runs/take-due.ts",
        from: "ORDER BY ${rows.at} LIMIT v.share FOR UPDATE SKIP LOCKED",
        to: "ORDER BY ${rows.at} LIMIT v.share",
      },
    ],
    violates: ["fires-once", "acknowledged-fires"],
    ...byTorture(["kill"]),
  },
  "cursor-moves-after-its-runs": {
    what: "A task's cursor moves after the transaction that inserted its runs",
    edits: [
      {
        file: STAGE,
        from: "UPDATE tasks t SET ${CURSOR_COLUMNS} FROM staged s WHERE t.id = s.task_id RETURNING ${TASK_FACTS}",
        to: "SELECT ${TASK_FACTS} FROM tasks t WHERE t.id IN (SELECT task_id FROM staged)",
      },
      {
        file: STAGE,
        from: "  return await inTransaction(store.pool, async (tx) => {\n    const due =",
        to: "  let moved: CursorFields[] = [];\n  const batch = await inTransaction(store.pool, async (tx) => {\n    const due =",
      },
      {
        file: STAGE,
        from: "    return { runs, skipped, taskCount: due.length };\n  });",
        to: `    moved = decided.filter(({ fires }) => fires.length > 0).map(toCursorFields);
    return { runs, skipped, taskCount: due.length };
  });
  if (moved.length > 0) await store.pool.query(ADVANCE, [JSON.stringify(moved)]);
  return batch;`,
      },
    ],
    violates: ["fires-once", "acknowledged-fires"],
    ...byTorture(["kill"]),
  },
  "claims-take-early-runs": {
    what: "A claim takes runs a second before their instant",
    edits: [
      {
        file: "core/store/runs/claimable.ts",
        from: "`available_at <= statement_timestamp()${",
        to: "`available_at <= statement_timestamp() + interval '1 second'${",
      },
    ],
    violates: ["nothing-early"],
    ...byTorture(["kill"]),
  },
} satisfies Record<string, Mutation>;
