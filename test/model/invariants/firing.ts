/** Each due instant has exactly one row, and nothing happens before its instant. */

import type { FinalRow, TaskRow } from "../database/rows.ts";
import { findNextOf } from "../database/stage.ts";
import { changesOf, type Invariant } from "./invariant.ts";

interface Instants {
  /** How many rows stand for each. */
  rows: Map<number, number>;
  /** The first that was not looked at. */
  fromMs: number;
}

export const firesOnce: Invariant = {
  name: "fires-once",
  promise: "an instant that a task's cursor has passed has exactly one row, and no other has one",
  watch(world, report) {
    const tasks = new Map<string, Instants>();

    function count(taskId: string, atMs: number): void {
      const { rows } = tasks.get(taskId)!;
      const rowCount = (rows.get(atMs) ?? 0) + 1;
      rows.set(atMs, rowCount);
      if (rowCount > 1) report(`${taskId} has ${rowCount} rows for its instant ${atMs}`);
    }

    function countSkipped({ taskId, skipped }: FinalRow): void {
      const findNext = findNextOf(world.database.read("tasks").get(taskId)!);
      const untilMs = Date.parse(skipped!.lastAt);
      for (let at: Date | null = new Date(skipped!.firstAt); at && at.getTime() <= untilMs; at = findNext(at))
        count(taskId, at.getTime());
    }

    function check(task: TaskRow): void {
      if (task.state === "cancelled") return;
      const instants = tasks.get(task.id)!;
      const findNext = findNextOf(task);
      const cursorMs = task.nextRunAtMs ?? Number.POSITIVE_INFINITY;
      let atMs = instants.fromMs;
      while (atMs < cursorMs) {
        if (!instants.rows.has(atMs)) report(`${task.id} went past its instant ${atMs}, which has no row`);
        atMs = findNext(new Date(atMs))?.getTime() ?? Number.POSITIVE_INFINITY;
      }
      instants.fromMs = atMs;
      for (const rowMs of instants.rows.keys())
        if (rowMs >= cursorMs) report(`${task.id} has a row for ${rowMs} and has yet to stage ${cursorMs}`);
    }

    return {
      committed(changes) {
        const touched = new Set<string>();
        for (const { key, before, after } of changesOf(changes, "tasks")) {
          if (!before && after)
            tasks.set(key, { rows: new Map(), fromMs: after.nextRunAtMs ?? Number.POSITIVE_INFINITY });
          touched.add(key);
        }
        for (const { before, after } of changesOf(changes, "runs"))
          if (!before && after) {
            count(after.taskId, after.scheduledForMs);
            touched.add(after.taskId);
          }
        for (const { after } of changesOf(changes, "finals"))
          if (after?.skipped && after.runId === after.key) {
            countSkipped(after);
            touched.add(after.taskId);
          }
        for (const taskId of touched) check(world.database.read("tasks").get(taskId)!);
      },
    };
  },
};

export const nothingEarly: Invariant = {
  name: "nothing-early",
  promise: "no run is claimed before its instant, nor before its retry's, by the database's clock",
  watch: (world, report) => ({
    committed(changes) {
      for (const { key, before, after } of changesOf(changes, "runs")) {
        if (before?.state === after?.state || after?.state !== "running") continue;
        const dueMs = Math.max(after.scheduledForMs, after.availableAtMs);
        if (world.nowMs < dueMs) report(`${key} was claimed at ${world.nowMs}, before ${dueMs}`);
      }
    },
  }),
};

export const skipsInTime: Invariant = {
  name: "skips-in-time",
  promise:
    "whether an instant overlaps another run is decided at the instant, not before, by the scheduler's clock",
  watch: (world, report) => ({
    committed(changes, { process }) {
      for (const { after } of changesOf(changes, "finals")) {
        if (after?.skipped?.reason !== "overlap") continue;
        const nowMs = world.nowMs + process.aheadMs;
        if (nowMs < after.scheduledForMs)
          report(`${after.runId} was skipped at ${nowMs}, before its instant ${after.scheduledForMs}`);
      }
    },
  }),
};
