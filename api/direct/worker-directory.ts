/**
 * The workers that take calls directly, and the connections to them. Looked up when a worker's bell says that it came
 * or left, and otherwise every two seconds, more often if leases are short, less often while nobody calls. A worker:
 * known → connected → draining (no new calls) → gone, or given up: its lease expired, or its row went, while the
 * database was reachable all along. A worker that cannot be reached for longer than its lease, but still renews it, gets
 * its work only through the queue.
 */
import type { Clock } from "../../core/clock.ts";
import type { DirectCall } from "../../core/contracts/direct-call.ts";
import { createLeaseJudge, type LeaseJudge, type ServerWord } from "../../core/store/contact.ts";
import type { Listener } from "../../core/store/listen.ts";
import type { CallableWorker, CallableWorkers } from "../../core/store/workers.ts";
import type { Logger } from "../../core/telemetry/log.ts";
import { chooseEmptiest, chooseWorker, hashId } from "./choose-worker.ts";
import { type HeldCallers, WorkerLink } from "./worker-link.ts";

const LOOK_EVERY_MS = 2_000;
/**
 * Where nobody has called for so long it is looked a few times a lease, for whoever comes or goes rings. Often enough that
 * the judge of leases sees no gap: who is gone when the next call comes is known to be.
 */
const CALM_AFTER_MS = 10_000;
const CALM_LOOKS_A_LEASE = 4;
const CALM_LOOK_MS = 3_750;

export interface WorkerDirectory {
  /** The connection to the worker for a call of the revision, of those with a slot left; none of `not`. */
  choose(revisionId: string, not: ReadonlySet<WorkerLink>): WorkerLink | undefined;
  /** The one to the worker with most room, whatever it has warm; none of `not`. */
  chooseEmptiest(call: DirectCall, not: ReadonlySet<WorkerLink>): WorkerLink | undefined;
  /** Whether workers take calls, but all have as many as they have slots. */
  isFull(): boolean;
  /** Whether workers stand, and none of them can ever be called directly. */
  isQueueOnly(): boolean;
  /**
   * Whether each worker that stands asks this API for the callers of what it claims. Waits for the first connection to
   * one that has just come; undefined: one has not said yet. Never rejects.
   */
  meetsCallers(): Promise<boolean | undefined>;
  /** `act` is called whenever a worker begins to take calls. */
  onOpened(act: () => void): void;
  /** It refuses calls: it is draining. */
  avoid(link: WorkerLink): void;
  close(): void;
}

export interface DirectoryParts {
  listWorkers(): Promise<CallableWorkers>;
  /** Takes the database's word of its time, asked for at an instant of the clock's steady time. */
  hearTime?: ((word: ServerWord, askedMs: number) => void) | undefined;
  listener: Listener;
  held: HeldCallers;
  clock: Clock;
  log: Logger;
}

function toCandidate(link: WorkerLink, revisionId: string) {
  const { hash, worker, inFlight } = link;
  return { link, hash, slots: worker.slots, inFlight, ofRevision: link.inFlightOf(revisionId) };
}

export function createWorkerDirectory({
  listWorkers,
  hearTime,
  listener,
  held,
  clock,
  log,
}: DirectoryParts): WorkerDirectory {
  const links = new Map<string, WorkerLink>();
  const connecting = new Map<string, Promise<void>>();
  /** Whether it meets callers, as each worker said that was ever connected. A broken connection changes nothing in it. */
  const saidToMeet = new Map<string, boolean>();
  const draining = new Set<string>();
  /** Since when, by a clock that makes no leaps. */
  const unreachedSinceMs = new Map<string, number>();
  let standing: CallableWorkers | undefined;
  const opened: (() => void)[] = [];
  const judges = new Map<string, LeaseJudge>();
  let shortestLeaseMs = Number.POSITIVE_INFINITY;
  let calledMs = clock.steadyMs();
  const closed = new AbortController();
  let isLooking = false;
  let isWanted = false;

  async function look(): Promise<void> {
    const askedMs = clock.steadyMs();
    standing = await listWorkers();
    const { word, workers } = standing;
    hearTime?.(word, askedMs);
    const known = new Set(workers.map(({ id }) => id));
    // A server that crashed may have lost a row that its worker, which lives, writes anew.
    for (const [id, link] of links) if (!known.has(id) && mayJudge(link.worker, word)) link.giveUp();
    for (const ids of [draining, unreachedSinceMs, judges, saidToMeet])
      for (const id of ids.keys()) if (!known.has(id) && !links.has(id)) ids.delete(id);
    const connected = [...links.values()].map(({ worker }) => worker);
    shortestLeaseMs = Math.min(
      Number.POSITIVE_INFINITY,
      ...[...workers, ...connected].map(({ leaseMs }) => leaseMs),
    );
    for (const worker of workers) {
      if (mayJudge(worker, word) && worker.isLapsed) links.get(worker.id)?.giveUp();
      if (worker.isDraining) draining.add(worker.id);
      else if (!worker.isLapsed && !links.has(worker.id) && !connecting.has(worker.id))
        connecting.set(worker.id, connect(worker));
    }
  }

  /** Asked at every look: after a standstill of the database every lease looks expired. */
  function mayJudge({ id, leaseMs }: CallableWorker, word: ServerWord): boolean {
    const judge = judges.get(id) ?? createLeaseJudge(leaseMs);
    judges.set(id, judge);
    return judge.mayJudge(word);
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

  /** Never rejects. */
  async function connect(worker: CallableWorker): Promise<void> {
    try {
      const link = await WorkerLink.open(worker, held, () => {
        if (links.get(worker.id) === link) links.delete(worker.id);
      });
      saidToMeet.set(worker.id, link.meetsCallers);
      if (closed.signal.aborted) link.close();
      else if (link.isOpen) links.set(worker.id, link);
      unreachedSinceMs.delete(worker.id);
      if (links.has(worker.id)) for (const act of opened) act();
    } catch (error) {
      // Once: it is tried again at every look.
      const level = unreachedSinceMs.has(worker.id) ? "debug" : "warn";
      if (level === "warn") unreachedSinceMs.set(worker.id, clock.steadyMs());
      log[level]({ error, workerId: worker.id, address: worker.address }, "a worker could not be reached");
    } finally {
      connecting.delete(worker.id);
    }
  }

  /** Calls are under way, or were a moment ago, or a worker is not connected that may be called. */
  function isCalm(): boolean {
    const isNotCalled = [...links.values()].every(({ inFlight }) => inFlight === 0);
    const isWaitedFor = connecting.size > 0 || unreachedSinceMs.size > 0;
    return isNotCalled && !isWaitedFor && clock.steadyMs() - calledMs >= CALM_AFTER_MS;
  }

  const chooseRestMs = () =>
    isCalm()
      ? Math.min(CALM_LOOK_MS, shortestLeaseMs / CALM_LOOKS_A_LEASE)
      : Math.min(LOOK_EVERY_MS, shortestLeaseMs / 6);

  async function lookAgainAndAgain(): Promise<void> {
    while (!closed.signal.aborted) {
      void lookSoon();
      await clock.sleep(chooseRestMs(), closed.signal);
    }
  }

  void listener.on("bellhop_workers", () => void lookSoon());
  void lookAgainAndAgain();
  const takesCalls = (link: WorkerLink) => link.isOpen && !draining.has(link.worker.id);
  const isFree = (link: WorkerLink) => takesCalls(link) && link.inFlight < link.worker.slots;
  /** One that has just died refuses connections, too: until its lease is over nobody knows. */
  const isUnreachable = ({ id, leaseMs, isLapsed }: CallableWorker) => {
    const sinceMs = unreachedSinceMs.get(id);
    return !isLapsed && sinceMs !== undefined && clock.steadyMs() - sinceMs > leaseMs;
  };
  function judgeMeeting(): boolean | undefined {
    if (!standing) return undefined;
    if (standing.hasQueueWorkers || standing.workers.some(isUnreachable)) return false;
    // One that drains, or is gone, claims nothing more.
    const claiming = standing.workers.filter(
      ({ id, isDraining, isLapsed }) => links.get(id)?.isOpen || !(isDraining || isLapsed),
    );
    const said = claiming.map(({ id }) => saidToMeet.get(id));
    if (said.includes(false)) return false;
    return said.includes(undefined) ? undefined : true;
  }

  const candidatesFor = (revisionId: string, not: ReadonlySet<WorkerLink>) => {
    calledMs = clock.steadyMs();
    const candidates = [];
    for (const link of links.values()) {
      if (takesCalls(link) && !not.has(link)) candidates.push(toCandidate(link, revisionId));
    }
    return candidates;
  };

  return {
    choose: (revisionId, not) => chooseWorker(hashId(revisionId), candidatesFor(revisionId, not))?.link,
    chooseEmptiest: ({ runId, revisionId }, not) =>
      chooseEmptiest(hashId(runId), candidatesFor(revisionId, not))?.link,
    isFull() {
      const all = [...links.values()].filter(takesCalls);
      return all.length > 0 && !all.some(isFree);
    },
    isQueueOnly() {
      if (!standing || [...links.values()].some(takesCalls)) return false;
      return standing.hasQueueWorkers || standing.workers.some(isUnreachable);
    },
    async meetsCallers() {
      calledMs = clock.steadyMs();
      if (judgeMeeting() === undefined) {
        const firstOnes = [...connecting].filter(([id]) => !saidToMeet.has(id));
        await Promise.all(firstOnes.map(([, connected]) => connected));
      }
      return judgeMeeting();
    },
    onOpened: (act) => void opened.push(act),
    avoid: (link) => void draining.add(link.worker.id),
    close() {
      closed.abort();
      for (const link of links.values()) link.close();
    },
  };
}
