/** Roles that are killed, stopped politely, or stand still. */
import type { System } from "../system/system.ts";
import { LEASE_MS } from "../system/system.ts";
import { type Fault, pickOf } from "./fault.ts";

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
