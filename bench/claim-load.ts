/** Runs of http tasks that are queued, claimed and finished on the database alone, and what the server runs for them. */
import type { Store } from "../core/store/database.ts";
import { claimDueRuns } from "../core/store/runs/claim.ts";
import { finishAttempts } from "../core/store/runs/finish.ts";
import { finished, makeWorker } from "../core/store/testing/samples.ts";
import { readServerUs } from "./process-times.ts";

const QUEUE = `INSERT INTO task_runs_open (id, namespace_id, task_id, type, trigger, state, scheduled_for, available_at,
    queued_at, timeout_ms)
  SELECT gen_random_uuid(), ($1::uuid[])[1 + n % cardinality($1::uuid[])], gen_random_uuid(), 'http', 'manual', 'queued',
    now(), now(), now(), 1000
  FROM generate_series(1, $2::int) AS n`;

export interface BatchCost {
  runs: number;
  /** Of the server's processes behind the store. */
  claimUs: number;
  finishUs: number;
}

export class CostSum implements BatchCost {
  runs = 0;
  claimUs = 0;
  finishUs = 0;

  add(cost: BatchCost): void {
    this.runs += cost.runs;
    this.claimUs += cost.claimUs;
    this.finishUs += cost.finishUs;
  }

  /** Of a claim and of a finish, each for a run. */
  tell(): string {
    return `${(this.claimUs / this.runs).toFixed(0)}/${(this.finishUs / this.runs).toFixed(0)}`;
  }
}

export interface ClaimLoad {
  queue(count: number): Promise<void>;
  /** Claims as many as a batch, and finishes them. */
  claimBatch(): Promise<BatchCost>;
}

/**
 * @param store what is measured; its connections are known by `name`
 * @param owner queues, and reads what the others took
 */
export async function openClaimLoad(
  { store, name, owner }: { store: Store; name: string; owner: Store },
  namespaceIds: string[],
  batch: number,
): Promise<ClaimLoad> {
  const workerId = await makeWorker(store.db, 3_600_000);
  return {
    async queue(count) {
      await owner.pool.query(QUEUE, [namespaceIds, count]);
    },
    async claimBatch() {
      const beforeUs = await readServerUs(owner.pool, name);
      const { runs } = await claimDueRuns(store, workerId, batch, 0);
      const claimedUs = await readServerUs(owner.pool, name);
      const ends = runs.map((run) => finished(run, workerId, { state: "succeeded", result: null }));
      if (ends.length > 0) await finishAttempts(store, workerId, ends);
      const finishedUs = await readServerUs(owner.pool, name);
      return { runs: runs.length, claimUs: claimedUs - beforeUs, finishUs: finishedUs - claimedUs };
    },
  };
}
