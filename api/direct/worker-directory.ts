/**
 * The workers that take calls directly, and the connections to them. Looked up when a worker says that it came or went,
 * and every two seconds behind that bell. A worker: known → connected → draining (no new calls) → gone.
 */
import type { Clock } from "../../core/clock.ts";
import type { Listener } from "../../core/store/listen.ts";
import type { CallableWorker } from "../../core/store/workers.ts";
import type { Logger } from "../../core/telemetry/log.ts";
import { WorkerLink } from "./worker-link.ts";

const LOOK_EVERY_MS = 2_000;

export interface WorkerDirectory {
  /** The connection to the worker with the fewest calls under way, of those with a slot left; none of `not`. */
  choose(not: ReadonlySet<WorkerLink>): WorkerLink | undefined;
  /** It refuses calls: it is draining. */
  avoid(link: WorkerLink): void;
  close(): void;
}

export interface DirectoryParts {
  listWorkers(): Promise<CallableWorker[]>;
  listener: Listener;
  clock: Clock;
  log: Logger;
}

export function createWorkerDirectory({
  listWorkers,
  listener,
  clock,
  log,
}: DirectoryParts): WorkerDirectory {
  const links = new Map<string, WorkerLink>();
  const connecting = new Set<string>();
  const draining = new Set<string>();
  const closed = new AbortController();
  let isLooking = false;
  let isWanted = false;

  async function look(): Promise<void> {
    const workers = await listWorkers();
    const known = new Set(workers.map(({ id }) => id));
    for (const [id, link] of links) if (!known.has(id)) link.close();
    for (const id of draining) if (!known.has(id)) draining.delete(id);
    for (const worker of workers) {
      if (worker.isDraining) draining.add(worker.id);
      else if (!links.has(worker.id) && !connecting.has(worker.id)) void connect(worker);
    }
  }

  /** What is wanted during a look is looked up after it. */
  async function lookSoon(): Promise<void> {
    isWanted = true;
    if (isLooking) return;
    isLooking = true;
    while (isWanted && !closed.signal.aborted) {
      isWanted = false;
      await look().catch((error) => log.warn({ error }, "the workers were not looked up; tried again soon"));
    }
    isLooking = false;
  }

  async function connect(worker: CallableWorker): Promise<void> {
    connecting.add(worker.id);
    try {
      const link = await WorkerLink.open(worker, () => {
        if (links.get(worker.id) === link) links.delete(worker.id);
      });
      if (closed.signal.aborted) link.close();
      else if (link.isOpen) links.set(worker.id, link);
    } catch (error) {
      log.warn({ error, workerId: worker.id, address: worker.address }, "a worker could not be reached");
    } finally {
      connecting.delete(worker.id);
    }
  }

  async function lookAgainAndAgain(): Promise<void> {
    while (!closed.signal.aborted) {
      void lookSoon();
      await clock.sleep(LOOK_EVERY_MS, closed.signal);
    }
  }

  void listener.on("bellhop_workers", () => void lookSoon());
  void lookAgainAndAgain();
  return {
    choose(not) {
      let best: WorkerLink | undefined;
      for (const link of links.values()) {
        const isFree = link.isOpen && link.inFlight < link.worker.slots && !draining.has(link.worker.id);
        if (!isFree || not.has(link)) continue;
        if (!best || link.inFlight < best.inFlight) best = link;
      }
      return best;
    },
    avoid: (link) => void draining.add(link.worker.id),
    close() {
      closed.abort();
      for (const link of links.values()) link.close();
    },
  };
}
