/** What can be done to the system. A kind is one module; the catalogue lists them. */
import type { System } from "../system/system.ts";

export const FAULT_KINDS = [
  "kill",
  "stop",
  "term",
  "out-of-memory",
  "clock",
  "executor",
  "terminate",
  "partition",
  "half-open",
  "delay",
  "loss",
  "call-partition",
  "pooler-restart",
  "postgres-crash",
  "postgres-restart",
  "postgres-freeze",
  "postgres-failover",
  "disk-full",
  "kafka-crash",
  "kafka-empty",
  "kafka-freeze",
  "kafka-partition",
  "kafka-topics",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** One fault that is about to be. */
export interface Harm {
  /** What is harmed: a role's name, `postgres`, `kafka`. One harm at a time is done to it. */
  part: string;
  inflict(): Promise<void>;
  /** Undoes it: from here on it heals by itself. Left out: there is nothing to undo. */
  heal?(): Promise<void>;
}

export interface Fault {
  /** How often it is drawn, against the others. */
  weight: number;
  /** How long it lasts until it is healed, in ms. */
  lastsMs: readonly [min: number, max: number];
  /** @param pick from 0 up to 1, says whom it meets; undefined: there is nobody whom it could meet */
  aim(system: System, pick: number): Harm | undefined;
}

/** Another number from 0 up to 1 that follows from a pick, for what is not whom it meets. */
export const pickAgain = (pick: number): number => (pick * 9_973) % 1;

export function pickOf<T>(items: readonly T[], pick: number): T | undefined {
  return items[Math.floor(pick * items.length)];
}
