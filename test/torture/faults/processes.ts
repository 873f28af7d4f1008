/** Roles that are killed, stopped politely, stand still, run out of memory, or see the clock leap. */
import type { System } from "../system/system.ts";
import { LEASE_MS } from "../system/system.ts";
import { type Fault, pickAgain, pickOf } from "./fault.ts";

const anyRole = (system: System, pick: number) => pickOf(system.roles, pick);

const ending = (signal: "SIGKILL" | "SIGTERM", weight: number): Fault => ({
  weight,
  lastsMs: [0, 0],
  aim(system, pick) {
    const role = anyRole(system, pick);
    return role && { part: role.name, inflict: async () => role.signal(signal) };
  },
});

/** Who stands still long enough has lost its lease when it goes on, and does not know it. */
export const stop: Fault = {
  weight: 4,
  lastsMs: [500, 2.5 * LEASE_MS],
  aim(system, pick) {
    const role = anyRole(system, pick);
    return (
      role && {
        part: role.name,
        inflict: async () => role.signal("SIGSTOP"),
        heal: async () => role.signal("SIGCONT"),
      }
    );
  },
};

export const kill = ending("SIGKILL", 4);
export const term = ending("SIGTERM", 2);

/** More and more is kept until there is no more: the process thrashes for a while, then it breaks down. */
export const outOfMemory: Fault = {
  weight: 1,
  lastsMs: [0, 0],
  aim(system, pick) {
    const role = anyRole(system, pick);
    return role && { part: role.name, inflict: () => role.exhaustMemory() };
  },
};

/** A second too far, a bad time server, a zone's worth; forth, and back when it is healed. */
const LEAPS_MS = [-1_800_000, -30_000, -2_000, 2_000, 30_000, 1_800_000];

export const clock: Fault = {
  weight: 2,
  lastsMs: [1_000, 12_000],
  aim(system, pick) {
    const role = anyRole(system, pick);
    const leapMs = pickOf(LEAPS_MS, pickAgain(pick))!;
    return (
      role && {
        part: role.name,
        inflict: async () => role.shiftClock(leapMs),
        heal: async () => role.shiftClock(0),
      }
    );
  },
};
