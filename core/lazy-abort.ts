/**
 * An AbortController for what is aborted seldom and passed on seldom: its signal is made when somebody asks for one. Who
 * only wants to be told uses `onAbort`, which costs a fraction of a listener.
 */
export class LazyAbort {
  #reason: unknown;
  #isAborted = false;
  /** Of one that is alone there is no set: most have no other beside it. */
  #acts: Set<() => void> | (() => void) | undefined;
  #controller: AbortController | undefined;

  get aborted(): boolean {
    return this.#isAborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Calls `act` when it is aborted, unless what this answers is called before; never where it has been already. */
  onAbort(act: () => void): () => void {
    if (this.#isAborted) return () => {};
    if (this.#acts === undefined) this.#acts = act;
    else {
      if (typeof this.#acts === "function") this.#acts = new Set([this.#acts]);
      this.#acts.add(act);
    }
    return () => this.#forget(act);
  }

  #forget(act: () => void): void {
    if (this.#acts === act) this.#acts = undefined;
    else if (typeof this.#acts === "object") this.#acts.delete(act);
  }

  /** Once; later ones change nothing. All are told, also where one of them throws: then the first of that is thrown at the end. */
  abort(reason?: unknown): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#reason = reason;
    const errors: unknown[] = [];
    // One that another takes back meanwhile leaves the set, and is not met.
    for (const act of typeof this.#acts === "function" ? [this.#acts] : (this.#acts ?? [])) {
      try {
        act();
      } catch (error) {
        errors.push(error);
      }
    }
    this.#acts = undefined;
    this.#controller?.abort(reason);
    if (errors.length > 0) throw errors[0];
  }
}

/** For who is handed one of either kind and needs what the platform has. */
export const toSignal = (abort: AbortSignal | LazyAbort): AbortSignal =>
  abort instanceof LazyAbort ? abort.signal : abort;

/** As `LazyAbort.onAbort`, of either kind. */
export function whenAborted(abort: AbortSignal | LazyAbort, act: () => void): () => void {
  if (abort instanceof LazyAbort) return abort.onAbort(act);
  abort.addEventListener("abort", act);
  return () => abort.removeEventListener("abort", act);
}
