import type { ExchangeFailure } from "./pending-exchange.ts";

const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

/**
 * Sends once more what met a kept-alive connection that the server was just closing. What broke off on a new connection
 * is not sent again: there the server did not close an idle one, it failed. `attempt` rejects with an ExchangeFailure;
 * this, with the error in it.
 */
export function resendIfStale<T>(
  { method, body }: { method: string; body: unknown },
  attempt: () => Promise<T>,
): Promise<T> {
  return attempt().catch(({ error, responded, reused }: ExchangeFailure) => {
    const isWhole = body === null || typeof body === "string" || body instanceof Uint8Array;
    const mayRepeat = IDEMPOTENT.has(method) && isWhole;
    if (mayRepeat && reused && !responded && error.code === "connection_reset")
      return attempt().catch(throwError);
    throw error;
  });
}

function throwError({ error }: ExchangeFailure): never {
  throw error;
}
