/** What travels between processes: bells through the broker, and NOTIFY. */
import type { Process } from "./processes.ts";
import type { World } from "./world.ts";

/** "Run R is ready." On its way → heard by a worker → committed: then nobody gets it again. */
export interface Bell {
  id: string;
  runId: string;
  availableAtMs: number;
  heardBy: string | null;
  isCommitted: boolean;
  wasDealtWith: boolean;
}

/** NOTIFY. */
export interface Note {
  id: string;
  channel: "bellhop_schedule" | "bellhop_cancel";
  runIds: readonly string[];
}

export interface Messages {
  /** That were not committed. */
  readonly bells: Map<string, Bell>;
  /** Committed before anybody dealt with them. */
  readonly forgottenBells: Set<Bell>;
  readonly notes: Map<string, Note>;
  ring(bells: readonly { runId: string; availableAtMs: number }[]): void;
  /** Nobody gets it again. */
  commitBell(bell: Bell): void;
  /** Dealt with, and committed. */
  settleBell(bell: Bell): void;
  /** What a process heard and did not commit is heard by another. */
  giveBellsBack(process: Process): void;
  notify(channel: Note["channel"], runIds?: readonly string[]): void;
}

export function createMessages(world: World): Messages {
  const bells = new Map<string, Bell>();
  const forgottenBells = new Set<Bell>();
  const notes = new Map<string, Note>();

  function commitBell(bell: Bell): void {
    if (bell.isCommitted) return;
    bell.isCommitted = true;
    bells.delete(bell.id);
    forgottenBells.add(bell);
  }

  return {
    bells,
    forgottenBells,
    notes,
    ring(rung) {
      for (const { runId, availableAtMs } of rung) {
        const id = `${runId}!${world.drawNumber()}`;
        bells.set(id, {
          ...{ id, runId, availableAtMs },
          ...{ heardBy: null, isCommitted: false, wasDealtWith: false },
        });
      }
    },
    commitBell,
    settleBell(bell) {
      commitBell(bell);
      bell.wasDealtWith = true;
      forgottenBells.delete(bell);
    },
    giveBellsBack({ name }) {
      for (const bell of bells.values()) if (bell.heardBy === name) bell.heardBy = null;
    },
    notify(channel, runIds = []) {
      const id = `${channel}!${world.drawNumber()}`;
      notes.set(id, { id, channel, runIds });
    },
  };
}
