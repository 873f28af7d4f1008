/** As core/store/runs/finish.ts (a release), owned.ts, lost-call.ts and core/store/workers.ts: what is a worker's own. */
import { ask, type Script } from "../simulation/script.ts";
import type { World } from "../simulation/world.ts";
import { givePermitsBack } from "./admit.ts";
import type { View } from "./database.ts";
import { finalRow } from "./finish.ts";
import type { RunRow } from "./rows.ts";
import { type StagedRun, toStaged } from "./stage.ts";

export interface ReleaseReport {
  released: StagedRun[];
  wantedKeys: string[];
}

/** running → queued: the attempt does not count. */
export function releaseRuns(
  workerId: string,
  runs: readonly { id: string; claimNo: number }[],
): Script<ReleaseReport> {
  return ask("release runs", (view) => {
    const taken = runs.flatMap(({ id, claimNo }) => {
      const run = view.get("runs", id);
      const isOwn = run?.state === "running" && run.workerId === workerId && run.claimNo === claimNo;
      return isOwn && !run.isCancelRequested ? [run] : [];
    });
    const released = taken.map((run) => {
      const free: RunRow = {
        ...run,
        state: "queued",
        workerId: null,
        startedAtMs: null,
        availableAtMs: view.nowMs,
      };
      view.put("runs", run.id, free);
      return toStaged(free);
    });
    return { released, wantedKeys: givePermitsBack(view, taken) };
  });
}

/** Of a run that is its worker's by the table, unknown there, and wanted by nobody. */
export function endLostRun(
  world: World,
  workerId: string,
  { id, claimNo }: { id: string; claimNo: number },
): Script {
  return ask("end lost run", (view) => {
    const run = view.get("runs", id);
    if (run?.state !== "running" || run.workerId !== workerId || run.claimNo !== claimNo) return;
    view.remove("runs", id);
    const row = finalRow(world, run, "cancelled");
    view.put("finals", row.key, row);
    givePermitsBack(view, [run]);
  });
}

export interface OwnedRun {
  id: string;
  claimNo: number;
  cancelRequested: boolean;
  isOld: boolean;
}

export const listOwned = (view: View, workerId: string, leaseMs: number): OwnedRun[] =>
  view
    .all("runs")
    .filter((run) => run.state === "running" && run.workerId === workerId)
    .map((run) => ({
      ...{ id: run.id, claimNo: run.claimNo, cancelRequested: run.isCancelRequested },
      isOld: run.startedAtMs! < view.nowMs - leaseMs,
    }));

export const listOwnedRuns = (workerId: string, leaseMs: number): Script<OwnedRun[]> =>
  ask("list owned runs", (view) => listOwned(view, workerId, leaseMs));

/** The lease is let go. */
export const leave = (workerId: string): Script =>
  ask("remove worker", (view) => view.remove("workers", workerId));

export const renew = (view: View, workerId: string, leaseMs: number): void =>
  view.put("workers", workerId, { id: workerId, leaseUntilMs: view.nowMs + leaseMs });

export const renewLease = (workerId: string, leaseMs: number): Script =>
  ask("renew lease", (view) => renew(view, workerId, leaseMs));
