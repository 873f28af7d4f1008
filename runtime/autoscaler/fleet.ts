/**
 * The worker processes of this machine. States of one: starting → up → retiring → gone; one that ends unasked has
 * crashed, and the next start waits the longer, the more crashes follow each other.
 */
import type { Clock } from "../../core/clock.ts";
import type { RoleStarted } from "../../core/role.ts";
import type { WorkerExit, WorkerProcess } from "./worker-process.ts";

const RESTART_MS = [100, 1_000, 5_000, 15_000];
/** A crash that comes this long after the one before is the first again. */
const SOUND_MS = 60_000;
/** One that does not say within this that it runs is ended. */
const START_TIMEOUT_MS = 30_000;
/** After its drain a worker is given this long before it is killed. */
const KILL_AFTER_DRAIN_MS = 10_000;

export interface FleetCounts {
  starting: number;
  up: number;
  retiring: number;
}

export interface Crash {
  detail: string;
  /** Until the next start is allowed. */
  waitMs: number;
}

export interface FleetEvents {
  started(worker: RoleStarted, startMs: number): void;
  crashed(crash: Crash): void;
  /** Counts have changed. */
  changed(): void;
}

export interface Fleet {
  counts(): FleetCounts;
  /** Ids of those that are up and take work. */
  ids(): string[];
  /** Whether the worker is ours and takes nothing more: it retires, or is gone although its lease still runs. */
  isLeaving(id: string): boolean;
  /** Where those that run answer, retiring ones too: HTTP ports of this machine. */
  ports(): number[];
  /** Until the next start is allowed; 0: now. */
  msUntilStart(): number;
  /** Does nothing while a start is not allowed. */
  start(count: number): void;
  /** @param busyOf how many slots of a worker are taken: the least busy ones go, those that still start before them */
  retire(count: number, busyOf: (id: string) => number): void;
  /** SIGTERM to all; SIGKILL to who has not ended within the drain and a little. */
  stop(): Promise<void>;
  /** SIGKILL, now. */
  kill(): void;
}

interface Member {
  process: WorkerProcess;
  startedAtMs: number;
  worker: RoleStarted | undefined;
  isRetiring: boolean;
}

export interface FleetOptions {
  launch(): WorkerProcess;
  drainMs: number;
  /** For so long a row may outlive its process. */
  leaseMs: number;
  clock: Clock;
  on: FleetEvents;
}

export function createFleet({ launch, drainMs, leaseMs, clock, on }: FleetOptions): Fleet {
  const members = new Set<Member>();
  const goneAtMs = new Map<string, number>();
  let crashes = 0;
  let crashedAtMs = 0;
  let mayStartAtMs = 0;
  let isStopping = false;

  const nowMs = () => clock.now().getTime();
  const serving = () => [...members].filter(({ isRetiring }) => !isRetiring);

  function add(): void {
    const member: Member = { process: launch(), startedAtMs: nowMs(), worker: undefined, isRetiring: false };
    members.add(member);
    const over = new AbortController();
    void clock.sleep(START_TIMEOUT_MS, over.signal).then(() => {
      if (!over.signal.aborted) member.process.signal("SIGKILL");
    });
    void member.process.started.then((worker) => {
      over.abort();
      member.worker = worker;
      on.started(worker, nowMs() - member.startedAtMs);
      on.changed();
    });
    void member.process.exited.then((exit) => {
      over.abort();
      remove(member, exit);
    });
  }

  function remove(member: Member, { isClean, detail }: WorkerExit): void {
    members.delete(member);
    if (member.worker?.id !== undefined) rememberGone(member.worker.id);
    // A clean end that nobody here asked for is somebody's SIGTERM, unless it never ran.
    const isAsked = isStopping || member.isRetiring || member.worker !== undefined;
    if (!isClean || !isAsked) noteCrash(detail);
    on.changed();
  }

  function noteCrash(detail: string): void {
    if (isStopping) return;
    crashes = nowMs() - crashedAtMs > SOUND_MS ? 1 : crashes + 1;
    crashedAtMs = nowMs();
    const waitMs = RESTART_MS[Math.min(crashes, RESTART_MS.length) - 1]!;
    mayStartAtMs = nowMs() + waitMs;
    on.crashed({ detail, waitMs });
  }

  function rememberGone(id: string): void {
    for (const [old, atMs] of goneAtMs) if (nowMs() - atMs > leaseMs) goneAtMs.delete(old);
    goneAtMs.set(id, nowMs());
  }

  function signalAll(signal: "SIGTERM" | "SIGKILL"): void {
    isStopping = true;
    for (const { process } of members) process.signal(signal);
  }

  return {
    counts() {
      const up = serving().filter(({ worker }) => worker !== undefined).length;
      return { up, starting: serving().length - up, retiring: members.size - serving().length };
    },
    ids: () => serving().flatMap(({ worker }) => worker?.id ?? []),
    isLeaving: (id) =>
      goneAtMs.has(id) || [...members].some(({ worker, isRetiring }) => isRetiring && worker?.id === id),
    ports: () => [...members].flatMap(({ worker }) => worker?.port ?? []),
    msUntilStart: () => Math.max(mayStartAtMs - nowMs(), 0),
    start(count) {
      if (isStopping || nowMs() < mayStartAtMs) return;
      for (let started = 0; started < count; started += 1) add();
      on.changed();
    },
    retire(count, busyOf) {
      const load = ({ worker }: Member) => (worker?.id === undefined ? -1 : busyOf(worker.id));
      // Of equally busy ones the youngest: that one is the others' last choice too.
      const order = serving().sort((a, b) => load(a) - load(b) || b.startedAtMs - a.startedAtMs);
      for (const member of order.slice(0, count)) {
        member.isRetiring = true;
        member.process.retire();
      }
      on.changed();
    },
    async stop() {
      signalAll("SIGTERM");
      const over = new AbortController();
      void clock.sleep(drainMs + KILL_AFTER_DRAIN_MS, over.signal).then(() => {
        if (!over.signal.aborted) signalAll("SIGKILL");
      });
      await Promise.all([...members].map(({ process }) => process.exited));
      over.abort();
    },
    kill: () => signalAll("SIGKILL"),
  };
}
