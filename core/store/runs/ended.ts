import type { Store } from "../database.ts";

/** Those of the runs that are under way no more; one that was not written yet is taken for one of them. */
export async function findEndedRuns({ pool }: Pick<Store, "pool">, runIds: string[]): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>({
    name: "ended-runs",
    text: `SELECT id FROM unnest($1::uuid[]) AS asked(id)
      WHERE NOT EXISTS (SELECT FROM task_runs_open r WHERE r.id = asked.id AND r.state || '' <> 'dead')`,
    values: [runIds],
  });
  return rows.map(({ id }) => id);
}
