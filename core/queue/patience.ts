/** How long what fails is tried again: how soon, and when only a fresh process may help. */
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";

const BACKOFF_MS = { first: 250, last: 5_000 };
/** What is refused may be mended meanwhile, and a broker that starts does not know its rights yet. */
const REFUSED_MS = 15_000;
const HOPELESS_MS = 300_000;
const ANSWER_MS = 5_000;

/** Doubles up to the longest; the jitter takes away up to half, so that roles do not come back all at once. */
export function backoffMs(failures: number, random: number): number {
  const fullMs = Math.min(BACKOFF_MS.first * 2 ** (failures - 1), BACKOFF_MS.last);
  return Math.round(fullMs * (1 - random / 2));
}

export interface PatienceParts {
  clock: Clock;
  /** Whether waiting is no use: the broker answers, and says no. */
  isRefusal(error: unknown): boolean;
  /** Resolves where the broker answers anything at all; may take as long as it wants. */
  askBroker(): Promise<unknown>;
}

export interface Patience {
  healed(): void;
  /** Answers, once, with why there is no hope: refused all the time, or failing for long although the broker answers. */
  failed(error: unknown): Promise<Error | undefined>;
}

export function createPatience({ clock, isRefusal, askBroker }: PatienceParts): Patience {
  let failingSinceMs: number | undefined;
  let refusedSinceMs: number | undefined;
  let isHopeless = false;

  async function answers(): Promise<boolean> {
    const over = new AbortController();
    const asked = askBroker().then(
      () => true,
      () => false,
    );
    const late = clock.sleep(ANSWER_MS, over.signal).then(() => false);
    return await Promise.race([asked, late]).finally(() => over.abort());
  }

  async function whyHopeless(nowMs: number): Promise<string | undefined> {
    if (refusedSinceMs !== undefined && nowMs - refusedSinceMs >= REFUSED_MS)
      return "Kafka refuses what a consumer needs";
    if (nowMs - failingSinceMs! < HOPELESS_MS || !(await answers())) return undefined;
    return `no consumer could be joined for ${HOPELESS_MS / 60_000} minutes although Kafka answers`;
  }

  return {
    healed() {
      failingSinceMs = undefined;
      refusedSinceMs = undefined;
    },
    async failed(error) {
      const nowMs = clock.now().getTime();
      failingSinceMs ??= nowMs;
      refusedSinceMs = isRefusal(error) ? (refusedSinceMs ?? nowMs) : undefined;
      const why = isHopeless ? undefined : await whyHopeless(nowMs);
      if (why === undefined) return undefined;
      isHopeless = true;
      return new Error(`${why}: ${messageOf(error)}`, { cause: error });
    },
  };
}
