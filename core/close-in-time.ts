import type { Clock } from "./clock.ts";

/** A server that hangs keeps no role from ending. */
export const CLOSE_TIMEOUT_MS = 5_000;

/** Resolves when `closed` does, however that ends, or when its time is over. */
export async function closeInTime(
  closed: Promise<unknown>,
  clock: Clock,
  withinMs: number = CLOSE_TIMEOUT_MS,
): Promise<void> {
  const done = new AbortController();
  await Promise.race([closed.catch(() => {}), clock.sleep(withinMs, done.signal)]);
  done.abort();
}
