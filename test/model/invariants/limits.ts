/** Limits are exact, and runs of a task that may not overlap do not. */
import { holdsPermits } from "../database/admit.ts";
import { isBusy, isHeld } from "../database/stage.ts";
import { changesOf, type Invariant } from "./invariant.ts";

export const limitsExact: Invariant = {
  name: "limits-exact",
  promise: "no permit is given beyond a limit, and a limit counts as many permits as runs hold",
  watch: (world, report) => ({
    committed(changes) {
      const runs = changesOf(changes, "runs");
      const limits = changesOf(changes, "limits");
      if (limits.length === 0 && !runs.some(({ before, after }) => before?.permits || after?.permits)) return;
      for (const { key, concurrency, permitsHeld } of world.database.read("limits").values()) {
        let holders = 0;
        for (const run of world.database.read("runs").values())
          if (holdsPermits(run) && run.permits!.includes(key)) holders += 1;
        if (permitsHeld !== holders) report(`${key} counts ${permitsHeld} permits, ${holders} runs hold one`);
        const isTaken = runs.some(
          ({ before, after }) =>
            after && holdsPermits(after) && after.permits!.includes(key) && !(before && holdsPermits(before)),
        );
        if (isTaken && holders > (concurrency ?? Number.POSITIVE_INFINITY))
          report(`${key} lets ${holders} runs have a permit of ${concurrency}`);
      }
    },
  }),
};

export const overlapObeyed: Invariant = {
  name: "overlap-obeyed",
  promise: "no run of a task that forbids overlaps is let go while another is under way",
  watch: (world, report) => ({
    committed(changes) {
      for (const { key, before, after } of changesOf(changes, "runs")) {
        if (!after || isHeld(after) || !(before ? isHeld(before) : true)) continue;
        const task = world.database.read("tasks").get(after.taskId)!;
        if (task.overlap === "allow") continue;
        for (const other of world.database.read("runs").values())
          if (other.taskId === task.id && other.id !== key && isBusy(other))
            report(`${key} was let go while ${other.id} was ${other.state}`);
      }
    },
  }),
};
