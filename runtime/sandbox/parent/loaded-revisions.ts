import type { Invocation } from "../invocation.ts";
import { MAX_BATCH_RUNS } from "../protocol/messages.ts";
import { type BatchSize, decideBatchSize, FIRST_BATCH_SIZE, shouldBegin } from "./batch-size.ts";
import { ByteLru } from "./byte-lru.ts";
import type { Batch } from "./executor-run.ts";

const MAX_CODE_BYTES = 32_000_000;

interface LoadedRevision {
  batchSize: BatchSize;
}

/** The revisions whose code an executor has, and what is known of how their runs go together. */
export class LoadedRevisions {
  readonly #revisions = new ByteLru<LoadedRevision>(MAX_CODE_BYTES);
  /** Begun and not over, by revision, the oldest first; also where the code is still on its way. */
  readonly #batches = new Map<string, Set<Batch>>();

  has(revisionId: string): boolean {
    return this.#revisions.get(revisionId) !== undefined;
  }

  /** Answers the revisions that have to go for it. */
  add(revisionId: string, code: string): string[] {
    return this.#revisions.set(revisionId, { batchSize: FIRST_BATCH_SIZE }, code.length * 2);
  }

  /** How many runs like this one to begin together. */
  batchSizeFor({ revisionId, reuse }: Invocation): number {
    return reuse ? (this.#revisions.get(revisionId)?.batchSize.runs ?? 1) : 1;
  }

  /** Whether a run like this one should begin now, or wait a moment for others to share its batch. */
  shouldBegin({ revisionId, reuse }: Invocation, waitingRuns: number, now: number): boolean {
    const batches = this.#batches.get(revisionId);
    if (!batches || !reuse) return true;
    const size = this.#revisions.get(revisionId)?.batchSize ?? FIRST_BATCH_SIZE;
    const [oldest] = batches;
    const oldestMs = oldest?.sentAt === undefined ? 0 : now - oldest.sentAt;
    return shouldBegin(size, batches.size, oldestMs, waitingRuns);
  }

  beginBatch(revisionId: string, batch: Batch): void {
    const batches = this.#batches.get(revisionId);
    if (batches) batches.add(batch);
    else this.#batches.set(revisionId, new Set([batch]));
  }

  /** A run has asked for something that it waits for: what holds for a function like that holds from now on. */
  noteWaiting(revisionId: string, batch: Batch, now: number): void {
    if (batch.waited) return;
    batch.waited = true;
    this.#learn(revisionId, batch, now);
  }

  endBatch(revisionId: string, batch: Batch, now: number): void {
    const batches = this.#batches.get(revisionId);
    if (!batches?.delete(batch)) return;
    if (batches.size === 0) this.#batches.delete(revisionId);
    this.#learn(revisionId, batch, now);
  }

  /** Of one that was sent, where its revision was not evicted meanwhile. */
  #learn(revisionId: string, { size: runs, ranMs, sentAt, waited }: Batch, now: number): void {
    const known = this.#revisions.get(revisionId);
    if (!known || sentAt === undefined) return;
    const finished = { runs, ranMs, tookMs: now - sentAt, waited };
    known.batchSize = decideBatchSize(known.batchSize, finished, MAX_BATCH_RUNS);
  }
}
