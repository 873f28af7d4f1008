/** Whether bells are heard now, and word of each change. States: unheard ⇄ heard; ended (nobody is told any more). */

export interface Hearing {
  readonly isHeard: boolean;
  /** Tells at once how it is, and then each change, until the consumption is stopped. */
  watch(tell: (isHeard: boolean) => void): void;
}

export interface HearingControl extends Hearing {
  set(isHeard: boolean): void;
  end(): void;
}

export function createHearing(): HearingControl {
  const watchers = new Set<(isHeard: boolean) => void>();
  let isHeard = false;
  let hasEnded = false;
  return {
    get isHeard() {
      return isHeard;
    },
    watch(tell) {
      if (!hasEnded) watchers.add(tell);
      tell(isHeard);
    },
    set(now) {
      if (hasEnded || now === isHeard) return;
      isHeard = now;
      for (const tell of watchers) tell(now);
    },
    end() {
      hasEnded = true;
      watchers.clear();
    },
  };
}

/** Where bells come with what the table is read by: without them there is no table either. */
export const ALWAYS_HEARD: Hearing = { isHeard: true, watch: (tell) => tell(true) };
