/** What processes and, unless they are looked at alone, all their descendants hold in memory, looked at every few milliseconds. Linux alone tells. */
import { readFileSync } from "node:fs";

const PAGE_BYTES = 4_096;
const SAMPLE_MS = 5;
/** Descendants come and go more slowly than memory grows. */
const SAMPLES_PER_SEARCH = 4;

export class ProcessTree {
  readonly #roots: readonly number[];
  #pids: number[];
  #timer: NodeJS.Timeout | undefined;
  #samples = 0;
  #peakBytes = 0;

  readonly #isAlone: boolean;

  constructor(roots: readonly number[], { alone = false } = {}) {
    this.#roots = roots;
    this.#isAlone = alone;
    this.#pids = this.#find();
  }

  #find(): number[] {
    return this.#isAlone ? [...this.#roots] : findTree(this.#roots);
  }

  /** How many processes there are now. */
  count(): number {
    this.#pids = this.#find();
    return this.#pids.length;
  }

  /** Begins to look for the peak; answers what is held now. */
  watch(): number {
    this.#pids = this.#find();
    this.#peakBytes = residentBytes(this.#pids);
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
    return this.#peakBytes;
  }

  /** The most that was held at once since `watch`. */
  unwatch(): number {
    clearInterval(this.#timer);
    this.#sample();
    return this.#peakBytes;
  }

  #sample(): void {
    if (this.#samples++ % SAMPLES_PER_SEARCH === 0) this.#pids = this.#find();
    this.#peakBytes = Math.max(this.#peakBytes, residentBytes(this.#pids));
  }
}

function findTree(roots: readonly number[]): number[] {
  const found = [...roots];
  // Grows while it is walked.
  for (const pid of found) {
    for (const child of read(`/proc/${pid}/task/${pid}/children`).split(" ")) {
      if (child !== "") found.push(Number(child));
    }
  }
  return found;
}

function residentBytes(pids: readonly number[]): number {
  let pages = 0;
  for (const pid of pids) pages += Number(read(`/proc/${pid}/statm`).split(" ", 2)[1] ?? 0);
  return pages * PAGE_BYTES;
}

/** Empty where the process is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
