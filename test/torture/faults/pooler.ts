/** The pooler between some roles and the database, which dies and comes back. */
import type { Fault } from "./fault.ts";

export const poolerRestart: Fault = {
  weight: 1,
  lastsMs: [0, 3_000],
  aim: ({ pooler }) => pooler && { part: "pooler", inflict: () => pooler.kill(), heal: () => pooler.start() },
};
