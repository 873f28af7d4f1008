/** How often what happened in the last minute. */

export const WINDOW_MS = 60_000;

export class EventRates {
  readonly #times = new Map<string, number[]>();

  add(type: string, atMs: number): void {
    const times = this.#times.get(type);
    if (times) times.push(atMs);
    else this.#times.set(type, [atMs]);
  }

  /** In the last minute. */
  count(type: string, nowMs: number): number {
    const times = this.#times.get(type);
    if (!times) return 0;
    const begin = times.findIndex((at) => at > nowMs - WINDOW_MS);
    times.splice(0, begin < 0 ? times.length : begin);
    return times.length;
  }
}
