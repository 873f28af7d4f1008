/** Jobs for one instant, all made well before it: how far ahead it is follows from how fast such jobs were made before. */

/** At first. */
const SLOWEST_PER_SECOND = 800;
const SLOWNESS = 1.6;
/** Bellhop stages a second ahead; this is before that. */
const REST_MS = 2_500;
const MOST_TRIES = 5;

interface Herd {
  count: number;
  make(dueMs: number): Promise<unknown>;
  /** Resolves when those that were made are done with. */
  settle(dueMs: number): Promise<unknown>;
}

/** `makeAhead` answers the instant. Where the machine was too slow it begins anew, at the pace it had. */
export function createHerdMaker() {
  let perSecond = SLOWEST_PER_SECOND;
  return async function makeAhead({ count, make, settle }: Herd): Promise<number> {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const dueMs = Date.now() + Math.ceil((count / perSecond) * SLOWNESS * 1_000) + REST_MS;
      const beganMs = performance.now();
      await make(dueMs);
      perSecond = (count / (performance.now() - beganMs)) * 1_000;
      if (Date.now() < dueMs - REST_MS / 2) return dueMs;
      await settle(dueMs);
    }
    throw new Error("This machine makes jobs too slowly for the herd, or too unevenly: lower --runs.");
  };
}
