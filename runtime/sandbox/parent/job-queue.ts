import type { Job } from "./job.ts";

/** The invocations of one namespace that wait, in the order they came; those given back go first. */
export class JobQueue {
  /** With when each came; monotonic. */
  readonly #jobs = new Map<Job, number>();
  readonly #returned = new Map<Job, number>();

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

  add(job: Job, now: number): void {
    this.#jobs.set(job, now);
  }

  giveBack(job: Job, now: number): void {
    this.#returned.set(job, now);
  }

  delete(job: Job): boolean {
    return this.#jobs.delete(job) || this.#returned.delete(job);
  }

  /** The one that comes next. */
  get first(): Job | undefined {
    for (const job of this.#returned.keys()) return job;
    for (const job of this.#jobs.keys()) return job;
    return undefined;
  }

  /** Takes all of them. */
  clear(): Job[] {
    const all = [...this.#returned.keys(), ...this.#jobs.keys()];
    this.#returned.clear();
    this.#jobs.clear();
    return all;
  }

  /** The first job and, up to the size asked for it, the next ones that may run in the same isolate. */
  takeBatch(sizeFor: (job: Job) => number): Job[] {
    for (const job of this.#returned.keys()) {
      this.#returned.delete(job);
      return [job];
    }
    const batch: Job[] = [];
    let maxRuns = 1;
    for (const job of this.#jobs.keys()) {
      const first = batch[0];
      if (first === undefined) maxRuns = sizeFor(job);
      // Behind another function's run: it keeps its place.
      else if (!fitTogether(first, job)) break;
      this.#jobs.delete(job);
      batch.push(job);
      if (batch.length >= maxRuns) break;
    }
    return batch;
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
