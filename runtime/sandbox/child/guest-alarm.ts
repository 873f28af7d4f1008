/** The one alarm behind a guest's timers: the earliest that was asked for holds. */
export class GuestAlarm {
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** On this process's clock; Infinity where none is set. */
  #at = Number.POSITIVE_INFINITY;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** An alarm that rings too early is harmless: the guest answers when its next timer is due. */
  set(delayMs: number): void {
    const at = performance.now() + delayMs;
    if (at >= this.#at) return;
    clearTimeout(this.#timer);
    this.#at = at;
    this.#timer = setTimeout(() => {
      this.#at = Number.POSITIVE_INFINITY;
      this.#ring();
    }, delayMs);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#at = Number.POSITIVE_INFINITY;
  }
}
