/** What an attempt needs of the database before it can begin. */
import type { Clock } from "../../core/clock.ts";
import { BellhopError, databaseUnavailable } from "../../core/errors.ts";
import { isDatabaseAway } from "../../core/store/database-away.ts";
import type { AttemptContext } from "./task-runner.ts";

const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 1_000;
/** So that the attempt ends with a word of the database, not with its own timeout. */
const HEAD_START_MS = 50;

/**
 * Asks again while the database is away: the run's own time is the bound, for without the database its end could not be
 * recorded either. Rejects with `databaseUnavailable()` when that is over; with anything else at once.
 */
export async function loadInTime<T>(
  load: () => Promise<T>,
  { signal, deadlineAt }: Pick<AttemptContext, "signal" | "deadlineAt">,
  clock: Clock,
): Promise<T> {
  const over = new AbortController();
  const end = () => over.abort();
  const forget = clock.after(deadlineAt.getTime() - clock.now().getTime() - HEAD_START_MS, end);
  signal.addEventListener("abort", end);
  const late = new Promise<never>((_, reject) => {
    over.signal.addEventListener("abort", () => reject(databaseUnavailable()));
  });
  late.catch(() => {});
  try {
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
      try {
        return await Promise.race([load(), late]);
      } catch (error) {
        if (!isDatabaseAway(error)) throw error;
      }
      await clock.sleep(waitMs, over.signal);
    }
  } finally {
    forget();
    signal.removeEventListener("abort", end);
  }
}

/** Of secrets that `loadInTime` did not bring. */
export const toSecretsFailure = (error: unknown): "database_unavailable" | "secrets_unavailable" =>
  error instanceof BellhopError && error.code === "database_unavailable"
    ? "database_unavailable"
    : "secrets_unavailable";
