/**
 * Processes: up → frozen (it stands still until an instant) → up, or down, with all that it had in memory → up again. A
 * worker that drains goes down by itself.
 */
import type { Actor } from "./actors.ts";
import type { Bell, Note } from "./messages.ts";
import type { World } from "./world.ts";

export type Role = "api" | "scheduler" | "worker";

export interface Process {
  name: string;
  role: Role;
  /** Counts its starts; 0: it was never up. */
  incarnation: number;
  isUp: boolean;
  /** It stands still until then (SIGSTOP). */
  frozenUntilMs: number | null;
  clockOffsetMs: number;
  /** The most that its clock was ever ahead. */
  aheadMs: number;
  /** The last instant at which it could not do what it wanted: it was frozen, cut off, or slow. */
  hinderedAtMs: number;
  signals: Set<string>;
  actors: Set<Actor>;
  /** It takes no bells any more. */
  isDeaf: boolean;
  /** It has done what it had to do before it goes. */
  isLeaving: boolean;
  hear?: (bell: Bell) => void;
  /** SIGTERM. */
  drain?: () => void;
  onNote?: (note: Note) => void;
}

export interface Processes {
  readonly processes: Map<string, Process>;
  addProcess(name: string, role: Role, start: (process: Process) => void): void;
  start(process: Process): void;
  /** It is gone with its memory, and its transactions are rolled back. */
  crash(process: Process): void;
  /** For who is one of its actors: it is gone when that has taken its last step. */
  exit(process: Process): void;
  signal(process: Process, signal: string): void;
}

export function createProcesses(world: World): Processes {
  const processes = new Map<string, Process>();
  const starts = new Map<Process, (process: Process) => void>();
  return {
    processes,
    addProcess(name, role, start) {
      const process: Process = {
        ...{ name, role, incarnation: 0, isUp: false, frozenUntilMs: null, clockOffsetMs: 0, aheadMs: 0 },
        ...{ hinderedAtMs: 0, signals: new Set(), actors: new Set(), isDeaf: false, isLeaving: false },
      };
      processes.set(name, process);
      starts.set(process, start);
    },
    start(process) {
      Object.assign(process, { isUp: true, isDeaf: false, isLeaving: false });
      process.incarnation += 1;
      process.hinderedAtMs = world.nowMs;
      starts.get(process)!(process);
    },
    crash(process) {
      for (const actor of process.actors) world.end(actor);
      process.signals.clear();
      Object.assign(process, { isUp: false, frozenUntilMs: null });
      world.giveBellsBack(process);
    },
    exit(process) {
      process.isLeaving = true;
    },
    signal(process, signal) {
      for (const actor of process.actors) {
        const { state, request } = actor;
        if (state !== "resting" || request?.kind !== "rest" || request.signal !== signal) continue;
        world.wake(actor);
        return;
      }
      process.signals.add(signal);
    },
  };
}
