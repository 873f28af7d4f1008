/** After the storm everything due has run. */
import type { RunRow } from "../database/rows.ts";
import { isBusy } from "../database/stage.ts";
import type { World } from "../simulation/world.ts";
import type { Invariant } from "./invariant.ts";

export const nothingStuck: Invariant = {
  name: "nothing-stuck",
  promise: "once all is healed each run ends, but for dead letters, and each instant has fired",
  watch: (world, report) => ({
    quiet() {
      for (const { id, state, waitingFor } of world.database.read("runs").values())
        if (state !== "dead")
          report(`${id} is still ${state}${waitingFor ? `, and waits for its ${waitingFor}` : ""}`);
      for (const { id, state, nextRunAtMs } of world.database.read("tasks").values())
        if (state === "active" && nextRunAtMs !== null && nextRunAtMs < world.nowMs - 2_000)
          report(`${id} has not fired at ${nextRunAtMs}`);
    },
  }),
};

const isHealed = ({ isCalm, databaseFrozenUntilMs, actors, nowMs }: World) =>
  isCalm &&
  databaseFrozenUntilMs === null &&
  actors.every(({ stalledUntilMs, process }) => process.frozenUntilMs === null && stalledUntilMs <= nowMs);

/** Whoever could go on does, within this. */
const PROMPT_MS = 4_000;

export const onTimeAfterwards: Invariant = {
  name: "on-time-afterwards",
  promise: "once all is healed, a run that nothing holds up starts within seconds",
  watch(world, report) {
    const freeSince = new Map<string, number>();

    function isHeldUp(run: RunRow, runs: readonly RunRow[]): boolean {
      if (!["queued", "scheduled"].includes(run.state) || run.availableAtMs > world.nowMs) return true;
      if (run.state === "scheduled") return false;
      if (run.waitingFor === null)
        return runs.filter(({ state }) => state === "running").length >= world.slotCount;
      if (run.waitingFor === "concurrency") {
        const { concurrency, permitsHeld } = world.database.read("limits").get(run.waitingKey!)!;
        return permitsHeld >= (concurrency ?? Number.POSITIVE_INFINITY);
      }
      return runs.some((other) => other.taskId === run.taskId && isBusy(other));
    }

    return {
      advanced() {
        if (!isHealed(world)) return freeSince.clear();
        const runs = [...world.database.read("runs").values()];
        for (const run of runs) {
          if (isHeldUp(run, runs)) {
            freeSince.delete(run.id);
            continue;
          }
          const sinceMs = freeSince.get(run.id) ?? world.nowMs;
          freeSince.set(run.id, sinceMs);
          if (world.nowMs - sinceMs > PROMPT_MS)
            report(`${run.id} has waited since ${sinceMs}, and nothing has held it up`);
        }
      },
    };
  },
};

export const bellsKept: Invariant = {
  name: "bells-kept",
  promise: "a bell that the broker did not lose is dealt with, whoever dies meanwhile",
  watch: (world, report) => ({
    quiet() {
      for (const { id } of world.forgottenBells) report(`${id} was committed and nobody dealt with it`);
    },
  }),
};

export const nothingHeldBack: Invariant = {
  name: "nothing-held-back",
  promise: "once all is quiet no permit is held",
  watch: (world, report) => ({
    quiet() {
      for (const { key, permitsHeld } of world.database.read("limits").values())
        if (permitsHeld !== 0) report(`${key} still counts ${permitsHeld} permits`);
    },
  }),
};
