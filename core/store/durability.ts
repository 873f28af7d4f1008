/** What the guarantees assume of the server: that a crash takes nothing that was committed (docs/guarantees.md). */
import type { QueryScope } from "./database.ts";

export interface DurabilityGap {
  setting: keyof typeof COSTS;
  /** What a crash may cost while it is off. */
  cost: string;
}

const COSTS = {
  fsync: "a crash of the machine may break the database beyond repair",
  full_page_writes:
    "a crash of the machine may leave pages half written, unless the file system or the service rules that out",
  synchronous_commit: "a crash of the server loses what it acknowledged in the last moments",
} as const;

/** Of a server that keeps what it acknowledged, none. As its sessions are set that say nothing of it themselves. */
export async function findDurabilityGaps({ pool }: Pick<QueryScope, "pool">): Promise<DurabilityGap[]> {
  const { rows } = await pool.query<{ setting: DurabilityGap["setting"] }>(
    "SELECT name AS setting FROM unnest($1::text[]) AS s(name) WHERE current_setting(name) = 'off'",
    [Object.keys(COSTS)],
  );
  return rows.map(({ setting }) => ({ setting, cost: COSTS[setting] }));
}
