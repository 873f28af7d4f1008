/**
 * A connection that is ended when a statement of it gets no answer in time. The driver only gives the statement up:
 * whoever asks on such a connection waits behind it, for as long as its machine is gone.
 */
import pg from "pg";

const TIMED_OUT = "Query read timeout";

export class TimedClient extends pg.Client {
  // The driver has an overload for each way to be called. Who calls back instead (the pool's own query) ends it itself.
  // biome-ignore lint/suspicious/noExplicitAny: they are handed on as they came
  override query(...given: any[]): any {
    const asked = super.query(...(given as [string]));
    if (asked instanceof Promise) asked.catch((error) => this.#endIfSilent(error));
    return asked;
  }

  #endIfSilent(error: unknown): void {
    if ((error as Error).message !== TIMED_OUT) return;
    // Not declared: the socket behind the protocol.
    (this as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }
}
