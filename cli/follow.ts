/** Streams of NDJSON that are followed through broken connections, each line once. */
import { EXIT } from "./exit-codes.ts";
import { Failure, Interrupted } from "./failure.ts";
import { pause } from "./interrupt.ts";
import type { Session } from "./session.ts";

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;

export interface Following {
  path: string;
  query: URLSearchParams;
  /** Called when the first connection stands: from here on nothing is missed. */
  onOpen?(): void;
  onItem(item: { id: string } & Record<string, unknown>): void;
  /** Tells that the stream broke off and is asked for again. */
  onBreak?(waitMs: number): void;
  signal?: AbortSignal;
}

/** A mistake of `onItem`'s, which no other connection mends. */
class HandlingError extends Error {}

/** Goes on until it is interrupted, or the API refuses it. */
export async function follow(session: Session, following: Following): Promise<never> {
  const { path, onOpen, onBreak } = following;
  const handle: Following["onItem"] = (item) => {
    try {
      following.onItem(item);
    } catch (cause) {
      throw new HandlingError("An item was not handled.", { cause });
    }
  };
  const signal = following.signal ?? session.signal;
  let after: string | undefined;
  let waitMs = FIRST_WAIT_MS;
  let isFirst = true;
  for (;;) {
    try {
      const query = new URLSearchParams(following.query);
      query.set("follow", "true");
      if (after !== undefined) query.set("after", after);
      const response = await session.request(`${path}?${query}`, {
        ...{ headers: { accept: "application/x-ndjson" }, signal },
      });
      // Of a stream that breaks off before its first line: where it began.
      after ??= response.headers.get("last-event-id") ?? undefined;
      if (isFirst) onOpen?.();
      isFirst = false;
      for await (const line of readLines(response)) {
        waitMs = FIRST_WAIT_MS;
        const item = JSON.parse(line) as { id: string } & Record<string, unknown>;
        after = item.id;
        handle(item);
      }
    } catch (error) {
      if (signal.aborted) throw new Interrupted();
      if (error instanceof HandlingError) throw error.cause;
      if (isFirst || (error instanceof Failure && error.exitCode !== EXIT.unreachable)) throw error;
    }
    if (signal.aborted) throw new Interrupted();
    onBreak?.(waitMs);
    await pause(waitMs, signal).catch(() => {
      throw new Interrupted();
    });
    waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2);
  }
}

/** Quiet streams send empty lines. */
export async function* readLines(response: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of response.body!) {
    text += decoder.decode(part as Uint8Array, { stream: true });
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines) if (line !== "") yield line;
  }
}
