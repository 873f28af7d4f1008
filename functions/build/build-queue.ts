import { BellhopError } from "../../core/errors.ts";

export const MAX_WAITING_BUILDS = 16;
const RETRY_AFTER_SECONDS = 5;

interface Waiting {
  start(): void;
}

/**
 * One build at a time, each tenant in its turn: a tenant whose builds take long delays the others by one build, not by
 * all of its own.
 */
export class BuildQueue {
  /** Those with builds that wait, whose turn it is first. */
  readonly #tenants = new Map<string, Waiting[]>();
  #isBusy = false;

  /** Throws `build_overloaded` (503) where too many builds of the tenant wait. */
  async run<T>(tenant: string, build: () => Promise<T>): Promise<T> {
    if (this.#isBusy) await this.#wait(tenant);
    this.#isBusy = true;
    try {
      return await build();
    } finally {
      this.#isBusy = false;
      this.#startNext();
    }
  }

  #wait(tenant: string): Promise<void> {
    const waiting = this.#tenants.get(tenant) ?? [];
    if (waiting.length >= MAX_WAITING_BUILDS) {
      throw new BellhopError(
        "build_overloaded",
        503,
        "Too many uploads of this namespace wait to be built: send them one after another.",
        [],
        RETRY_AFTER_SECONDS,
      );
    }
    this.#tenants.set(tenant, waiting);
    return new Promise((start) => waiting.push({ start }));
  }

  #startNext(): void {
    for (const [tenant, waiting] of this.#tenants) {
      const next = waiting.shift();
      this.#tenants.delete(tenant);
      if (waiting.length > 0) this.#tenants.set(tenant, waiting);
      if (!next) continue;
      // Nobody may slip in before it has begun.
      this.#isBusy = true;
      next.start();
      return;
    }
  }
}
