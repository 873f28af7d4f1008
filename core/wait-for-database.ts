/**
 * A role starts before its database does. States: asking → waiting (one line at each change of what keeps it) → asking …
 * → answered. What no waiting mends ends it.
 */
import type { Clock } from "./clock.ts";
import { messageOf, StartStopped } from "./errors.ts";
import { isDatabaseAway } from "./store/database-away.ts";
import type { Logger } from "./telemetry/log.ts";

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;

export interface DatabaseWait {
  /** Does it again until the database is not away any more. Rejects with what is no absence, or with `StartStopped`. */
  until<T>(work: () => Promise<T>): Promise<T>;
}

export function createDatabaseWait({
  clock,
  log,
  signal,
  onChange,
}: {
  clock: Clock;
  log: Pick<Logger, "info" | "warn">;
  /** The start is to end. */
  signal: AbortSignal;
  /** What is waited for; undefined: nothing. */
  onChange(reason: string | undefined): void;
}): DatabaseWait {
  let reason: string | undefined;
  const change = (now: string | undefined) => {
    reason = now;
    onChange(now);
  };
  const stopped = new Promise<never>((_, reject) => {
    const stop = () => reject(new StartStopped());
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  stopped.catch(() => {});

  return {
    async until(work) {
      const sinceMs = clock.now().getTime();
      for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
        try {
          const answer = await Promise.race([work(), stopped]);
          if (reason !== undefined) {
            change(undefined);
            log.info({ waitedMs: clock.now().getTime() - sinceMs }, "the database answers");
          }
          return answer;
        } catch (error) {
          if (signal.aborted) throw new StartStopped();
          if (!isDatabaseAway(error)) throw error;
          const message = messageOf(error);
          if (message !== reason) {
            change(message);
            log.warn({ error: message }, "waiting for the database");
          }
        }
        await clock.sleep(waitMs, signal);
      }
    },
  };
}
