import type ivmTypes from "isolated-vm";

/** How long threads were at work for one isolate: its own, and those that do what it asked this process for. */
export class ThreadTime {
  readonly #isolate: ivmTypes.Isolate;
  /** Asked for and not done yet. */
  works = 0;
  #takenNs = 0n;
  #batchSinceNs = 0n;

  constructor(isolate: ivmTypes.Isolate) {
    this.#isolate = isolate;
  }

  beginBatch(): void {
    this.#batchSinceNs = this.#enteredNs();
  }

  /** Of the isolate's own thread, since the batch began. */
  get batchMs(): number {
    return Number(this.#enteredNs() - this.#batchSinceNs) / 1e6;
  }

  /** All of it, in the last `elapsedMs`. */
  takeMs(elapsedMs: number): number {
    const enteredNs = this.#enteredNs();
    const enteredMs = Number(enteredNs - this.#takenNs) / 1e6;
    this.#takenNs = enteredNs;
    return enteredMs + this.works * elapsedMs;
  }

  /** isolated-vm calls it the processor's; it counts while an entry is on a thread, with a processor or without. */
  #enteredNs(): bigint {
    return this.#isolate.isDisposed ? this.#takenNs : this.#isolate.cpuTime;
  }
}
