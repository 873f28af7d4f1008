import type { Invocation } from "../invocation.ts";
import { MAX_BATCH_RUNS } from "../protocol/messages.ts";
import { type BatchSize, decideBatchSize, FIRST_BATCH_SIZE, shouldBegin } from "./batch-size.ts";
import { ByteLru } from "./byte-lru.ts";
import type { Batch } from "./executor-run.ts";

const MAX_CODE_BYTES = 32_000_000;

interface LoadedRevision {
  batchSize: BatchSize;
  /** Under way, the oldest first. */
  readonly batches: Set<Batch>;
}

/** The revisions whose code an executor has, and what is known of how their runs go together. */
export class LoadedRevisions {
  readonly #revisions = new ByteLru<LoadedRevision>(MAX_CODE_BYTES);

  has(revisionId: string): boolean {
    return this.#revisions.get(revisionId) !== undefined;
  }

  /** Answers the revisions that have to go for it. */
  add(revisionId: string, code: string): string[] {
    return this.#revisions.set(
      revisionId,
      { batchSize: FIRST_BATCH_SIZE, batches: new Set() },
      code.length * 2,
    );
  }

  /** How many runs like this one to begin together. */
  batchSizeFor({ revisionId, reuse }: Invocation): number {
    return reuse ? (this.#revisions.get(revisionId)?.batchSize.runs ?? 1) : 1;
  }

  /** Whether a run like this one should begin now, or wait a moment for others to share its batch. */
  shouldBegin({ revisionId, reuse }: Invocation, waitingRuns: number, now: number): boolean {
    const known = this.#revisions.get(revisionId);
    if (!known || !reuse) return true;
    const [oldest] = known.batches;
    const oldestMs = oldest ? now - oldest.sentAt : 0;
    return shouldBegin(known.batchSize, known.batches.size, oldestMs, waitingRuns);
  }

  beginBatch(revisionId: string, batch: Batch): void {
    this.#revisions.get(revisionId)?.batches.add(batch);
  }

  endBatch(revisionId: string, batch: Batch, now: number): void {
    const known = this.#revisions.get(revisionId);
    // Evicted meanwhile, or the batch was never sent.
    if (!known?.batches.delete(batch)) return;
    const { size: runs, ranMs, sentAt, waited } = batch;
    const finished = { runs, ranMs, tookMs: now - sentAt, waited };
    known.batchSize = decideBatchSize(known.batchSize, finished, MAX_BATCH_RUNS);
  }
}
