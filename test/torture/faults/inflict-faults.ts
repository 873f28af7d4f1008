/**
 * Carries out a plan of faults: each at its time, those of one part one after the other.
 * States of a harm: waiting → inflicted → healed.
 */
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../../../core/errors.ts";
import type { Records } from "../records.ts";
import type { System } from "../system/system.ts";
import { CATALOGUE } from "./catalogue.ts";
import type { FaultKind, Harm } from "./fault.ts";
import type { PlannedFault } from "./plan-faults.ts";

/**
 * What all others need has so much time between two faults: else a slow machine, where each takes long to heal, would
 * never do any work.
 */
const REST_MS = 4_000;
/** Whatever takes longer than this to heal never will. */
const HEAL_WITHIN_MS = 90_000;
const SHARED_PARTS = ["postgres", "pooler", "kafka"];

export interface Infliction {
  /** How many of each kind were inflicted so far. */
  counts: Map<FaultKind, number>;
  /** What stands under a fault right now. */
  harmed(): string[];
  /** Heals what is harmed, and inflicts nothing more; resolves once all is healed. Rejects where that failed. */
  end(): Promise<void>;
}

export function inflictFaults(plan: readonly PlannedFault[], system: System, records: Records): Infliction {
  const ending = new AbortController();
  const counts = new Map<FaultKind, number>();
  /** The last harm of each part. */
  const parts = new Map<string, Promise<void>>();
  const harmed = new Set<string>();
  const failures: string[] = [];
  const beganMs = Date.now();

  const pause = (ms: number) => delay(ms, undefined, { signal: ending.signal }).catch(() => {});

  async function inflict({ kind, lastsMs, pick }: PlannedFault): Promise<void> {
    const harm = CATALOGUE[kind].aim(system, pick);
    if (!harm) return;
    const before = parts.get(harm.part) ?? Promise.resolve();
    const turn = before.then(async () => {
      if (ending.signal.aborted) return;
      const at = Date.now();
      harmed.add(`${kind} ${harm.part}`);
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
      try {
        await harm.inflict();
        await pause(lastsMs);
      } finally {
        await healInTime(harm);
        harmed.delete(`${kind} ${harm.part}`);
        records.add("faults", { kind, part: harm.part, at, healedAt: Date.now() });
      }
    });
    const settled = turn.catch((error) => void failures.push(`${kind} of ${harm.part}: ${messageOf(error)}`));
    parts.set(harm.part, SHARED_PARTS.includes(harm.part) ? settled.then(() => pause(REST_MS)) : settled);
  }

  async function follow(): Promise<void> {
    for (const fault of plan) {
      await pause(Math.max(beganMs + fault.atMs - Date.now(), 0));
      if (ending.signal.aborted) return;
      await inflict(fault);
    }
  }

  const following = follow();
  return {
    counts,
    harmed: () => [...harmed],
    async end() {
      ending.abort();
      await following;
      await Promise.all(parts.values());
      if (failures.length > 0) throw new Error(`Faults could not be carried out: ${failures.join("; ")}`);
    },
  };
}

async function healInTime(harm: Harm): Promise<void> {
  const healed = new AbortController();
  const late = delay(HEAL_WITHIN_MS, undefined, { signal: healed.signal }).then(
    () => Promise.reject(new Error(`it is not healed after ${HEAL_WITHIN_MS / 1_000} s`)),
    () => {},
  );
  try {
    await Promise.race([harm.heal?.(), late]);
  } finally {
    healed.abort();
  }
}
