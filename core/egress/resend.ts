import type { Dispatcher } from "undici";
import type { ExchangeFailure } from "./pending-exchange.ts";

const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

/** Pools that have answered before: only there can a connection have gone stale. */
const answered = new WeakSet<Dispatcher>();

/**
 * Sends once more what met a kept-alive connection that the server was just closing. `attempt` rejects with an
 * ExchangeFailure; this, with the error in it.
 */
export async function resendIfStale<T>(
  pool: Dispatcher,
  { method, body }: { method: string; body: unknown },
  attempt: () => Promise<T>,
): Promise<T> {
  const isWhole = body === null || typeof body === "string" || body instanceof Uint8Array;
  const mayRepeat = answered.has(pool) && IDEMPOTENT.has(method) && isWhole;
  try {
    const response = await attempt().catch((failure: ExchangeFailure) => {
      if (mayRepeat && !failure.responded && failure.error.code === "connection_reset") return attempt();
      throw failure;
    });
    answered.add(pool);
    return response;
  } catch (failure) {
    throw (failure as ExchangeFailure).error;
  }
}
