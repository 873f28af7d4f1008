/** A worker works under its lease: it begins nothing without one, and loses nothing while it has one. */
import { changesOf, type Invariant } from "./invariant.ts";

export const beginsUnderLease: Invariant = {
  name: "begins-under-lease",
  promise: "an attempt begins only while its worker has a lease, by the database's clock",
  watch: (world, report) => ({
    began({ runId, process, incarnation }) {
      const workerId = `${process.name}.${incarnation}`;
      const untilMs = world.database.read("workers").get(workerId)?.leaseUntilMs ?? 0;
      if (untilMs <= world.nowMs) report(`${workerId} began ${runId} without a lease since ${untilMs}`);
    },
  }),
};

export const takenWithoutLease: Invariant = {
  name: "taken-without-lease",
  promise: "a run is taken only from a worker whose lease ran out since it claimed the run",
  watch(world, report) {
    /** When each worker last had no lease, of those that have one again. */
    const lapsedMs = new Map<string, number>();
    return {
      committed(changes, { name }) {
        for (const { key, before } of changesOf(changes, "workers"))
          if (before && before.leaseUntilMs <= world.nowMs) lapsedMs.set(key, world.nowMs);
        if (!name.endsWith("/rescue")) return;
        for (const { key, before } of changesOf(changes, "runs")) {
          if (before?.state !== "running") continue;
          const untilMs = world.database.read("workers").get(before.workerId!)?.leaseUntilMs ?? 0;
          const lapsed = untilMs <= world.nowMs ? world.nowMs : (lapsedMs.get(before.workerId!) ?? -1);
          if (lapsed < before.startedAtMs!)
            report(`${key} was taken from ${before.workerId}, which has had a lease since it claimed it`);
        }
      },
    };
  },
};

export const leaseKept = (leaseMs: number): Invariant => ({
  name: "lease-kept",
  promise: "no run is taken from a worker that could renew its lease whenever the database was there",
  watch(world, report) {
    /** The end of each worker's last lease that ran out before it had another. */
    const lapsedAtMs = new Map<string, number>();
    return {
      committed(changes, { name }) {
        for (const { key, before } of changesOf(changes, "workers"))
          if (before && before.leaseUntilMs <= world.nowMs) lapsedAtMs.set(key, before.leaseUntilMs);
        if (!name.endsWith("/rescue")) return;
        for (const { key, before, after } of changesOf(changes, "runs")) {
          if (before?.state !== "running" || after?.state === "running") continue;
          const [workerName, incarnation] = before.workerId!.split(".");
          const { isUp, hinderedAtMs, ...worker } = world.processes.get(workerName!)!;
          if (!isUp || worker.incarnation !== Number(incarnation)) continue;
          const standsUntilMs = world.database.read("workers").get(before.workerId!)?.leaseUntilMs ?? 0;
          const isRenewed = standsUntilMs > world.nowMs;
          const untilMs = isRenewed ? (lapsedAtMs.get(before.workerId!) ?? standsUntilMs) : standsUntilMs;
          if (hinderedAtMs < untilMs - leaseMs)
            report(
              `${key} was taken from ${before.workerId}, which nothing has hindered since it renewed its lease`,
            );
        }
      },
    };
  },
});
