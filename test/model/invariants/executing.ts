/** Attempts of a run follow each other; who lost one stops; and none begins with what was changed. */
import { type Attempt, SLOW_MS } from "../simulation/world.ts";
import { changesOf, type Invariant } from "./invariant.ts";

const isUnderWay = ({ process, incarnation }: Attempt) => process.isUp && process.incarnation === incarnation;
const tell = ({ runId, claimNo, process }: Attempt) => `claim ${claimNo} of ${runId} at ${process.name}`;

export const noOverlap: Invariant = {
  name: "no-overlap",
  promise: "an attempt begins only once the one before has ended, or was taken from a worker without a lease",
  watch(world, report) {
    const going = new Map<string, Set<Attempt>>();
    const list = (runId: string) => [...(going.get(runId) ?? [])].filter(isUnderWay);

    /** Its row says something else by now. */
    function wasTaken({ runId, claimNo }: Attempt): boolean {
      const run = world.database.read("runs").get(runId);
      return run?.state !== "running" || run.claimNo !== claimNo;
    }

    return {
      committed(changes, { name }) {
        if (name.endsWith("/rescue")) return;
        for (const { key, before, after } of changesOf(changes, "runs")) {
          if (before?.state !== "running" || after?.state === "running") continue;
          const left = list(key).find(({ claimNo }) => claimNo === before.claimNo);
          if (left) report(`${tell(left)} goes on, and its run became ${after?.state ?? "final"}`);
        }
      },
      began(attempt) {
        const others = list(attempt.runId);
        if (wasTaken(attempt)) report(`${tell(attempt)} began after the run was taken from it`);
        for (const other of others)
          if (!wasTaken(other)) report(`${tell(attempt)} began beside ${tell(other)}`);
        going.set(attempt.runId, new Set([...others, attempt]));
      },
      ended({ runId, claimNo, process }) {
        const left = list(runId).filter((one) => one.claimNo !== claimNo || one.process !== process);
        going.set(runId, new Set(left));
      },
    };
  },
};

export const staleStops = (leaseMs: number): Invariant => ({
  name: "stale-stops",
  promise: "a worker that lost a run learns so within a third of a lease, and stops it",
  watch(world, report) {
    const going = new Map<Attempt, number | null>();
    const find = ({ runId, claimNo, process }: Attempt) =>
      [...going.keys()].find(
        (other) => other.runId === runId && other.claimNo === claimNo && other.process === process,
      );
    return {
      began: (attempt) => void going.set(attempt, null),
      ended(attempt) {
        const mine = find(attempt);
        if (mine) going.delete(mine);
      },
      advanced() {
        for (const [attempt, lostAtMs] of going) {
          const { runId, claimNo, process } = attempt;
          if (!isUnderWay(attempt)) {
            going.delete(attempt);
            continue;
          }
          const run = world.database.read("runs").get(runId);
          if (run?.state === "running" && run.claimNo === claimNo) continue;
          const sinceMs = Math.max(lostAtMs ?? world.nowMs, process.hinderedAtMs, world.databaseHinderedAtMs);
          going.set(attempt, lostAtMs ?? world.nowMs);
          if (world.nowMs - sinceMs > leaseMs / 3 + 2 * SLOW_MS)
            report(`${tell(attempt)} goes on ${world.nowMs - sinceMs} ms after it was lost`);
        }
      },
    };
  },
});

export const changeWins: Invariant = {
  name: "change-wins",
  promise: "once a change or a cancel is committed, nothing starts with what was before",
  watch(world, report) {
    const versions = new Map<string, number>();
    return {
      committed(changes) {
        for (const { key, before, after } of changesOf(changes, "runs")) {
          if (after?.state !== "running" || before?.state === "running") continue;
          const task = world.database.read("tasks").get(after.taskId)!;
          if (task.state === "cancelled") report(`${key} was claimed although its task was cancelled`);
          versions.set(`${key}/${after.claimNo}`, task.version);
        }
      },
      began({ runId, claimNo }, { task }) {
        const version = versions.get(`${runId}/${claimNo}`);
        if (version !== undefined && task.version !== version)
          report(`${runId} began with definition ${task.version} of its task, which had ${version}`);
      },
    };
  },
};
