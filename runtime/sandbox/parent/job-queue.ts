import type { Job } from "./job.ts";

/** Of those that wait, so many are looked at for one that may begin. */
const MAX_LOOKED = 100;

/** The invocations of one namespace that wait, in the order they came; those given back go first. */
export class JobQueue {
  /** With when each came; monotonic. */
  readonly #jobs = new Map<Job, number>();
  readonly #returned = new Map<Job, number>();
  /** How many wait of each revision. */
  readonly #counts = new Map<string, number>();

  get size(): number {
    return this.#jobs.size + this.#returned.size;
  }

  /** When the one came that waits longest; `undefined` where none waits. */
  get oldestAt(): number | undefined {
    let oldestAt: number | undefined;
    for (const jobs of [this.#returned, this.#jobs]) {
      const [cameAt] = jobs.values();
      if (cameAt !== undefined && cameAt < (oldestAt ?? Number.POSITIVE_INFINITY)) oldestAt = cameAt;
    }
    return oldestAt;
  }

  /** How many of its revision wait. */
  countLike({ invocation }: Job): number {
    return this.#counts.get(invocation.revisionId) ?? 0;
  }

  #count({ invocation: { revisionId } }: Job, more: 1 | -1): void {
    const count = (this.#counts.get(revisionId) ?? 0) + more;
    if (count > 0) this.#counts.set(revisionId, count);
    else this.#counts.delete(revisionId);
  }

  add(job: Job, now: number): void {
    this.#jobs.set(job, now);
    this.#count(job, 1);
  }

  giveBack(job: Job, now: number): void {
    this.#returned.set(job, now);
    this.#count(job, 1);
  }

  delete(job: Job): boolean {
    const isGone = this.#jobs.delete(job) || this.#returned.delete(job);
    if (isGone) this.#count(job, -1);
    return isGone;
  }

  /** Takes all of them. */
  clear(): Job[] {
    const all = [...this.#returned.keys(), ...this.#jobs.keys()];
    this.#returned.clear();
    this.#jobs.clear();
    this.#counts.clear();
    return all;
  }

  /**
   * The first job that may begin and, up to the size asked for it, the next ones that may run in the same isolate. What of
   * one function waits for company keeps nobody else's job waiting, as far as it stands among the first ones.
   */
  takeBatch(sizeFor: (job: Job) => number, mayBegin: (job: Job) => boolean = () => true): Job[] {
    const first = this.#findFirst(mayBegin);
    if (first === undefined) return [];
    if (this.#returned.has(first)) {
      this.delete(first);
      return [first];
    }
    const batch: Job[] = [];
    const maxRuns = sizeFor(first);
    let isReached = false;
    for (const job of this.#jobs.keys()) {
      isReached ||= job === first;
      if (!isReached) continue;
      // Behind another function's run: it keeps its place.
      if (job !== first && !fitTogether(first, job)) break;
      this.delete(job);
      batch.push(job);
      if (batch.length >= maxRuns) break;
    }
    return batch;
  }

  #findFirst(mayBegin: (job: Job) => boolean): Job | undefined {
    const byRevision = new Map<string, boolean>();
    let looked = 0;
    for (const jobs of [this.#returned, this.#jobs])
      for (const job of jobs.keys()) {
        const { revisionId } = job.invocation;
        const may = byRevision.get(revisionId) ?? mayBegin(job);
        if (may) return job;
        byRevision.set(revisionId, may);
        looked += 1;
        if (looked === MAX_LOOKED) return undefined;
      }
    return undefined;
  }
}

function fitTogether(first: Job, next: Job): boolean {
  if (hasBody(first) || hasBody(next)) return false;
  const [a, b] = [first.invocation, next.invocation];
  return a.revisionId === b.revisionId && a.limits.memoryMb === b.limits.memoryMb && a.reuse && b.reuse;
}

/** Its bytes come to the isolate while it runs: those behind it would be withdrawn. */
function hasBody({ options }: Job): boolean {
  return options.http?.head.hasBody === true;
}
