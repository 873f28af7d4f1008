import type { CallFeed } from "../direct/worker-link.ts";

const MAX_DISCARDED_BYTES = 67_108_864;

export interface RequestPump {
  grant(bytes: number): void;
  stop(): void;
}

/** Feeds a request's body to the worker, as far as it has granted. A body that breaks off is a caller that left. */
export function pumpRequestBody(
  body: ReadableStream<Uint8Array>,
  feed: CallFeed,
  windowBytes: number,
): RequestPump {
  const reader = body.getReader();
  let credit = windowBytes;
  let isStopped = false;
  let wake = () => {};

  async function pump(): Promise<void> {
    for (;;) {
      const { done, value } = await reader.read();
      if (isStopped) {
        if (!done) await discardRest(reader, value.byteLength);
        return;
      }
      if (done) {
        feed.end();
        return;
      }
      let rest: Uint8Array = value;
      while (rest.byteLength > 0 && !isStopped) {
        if (credit <= 0) await new Promise<void>((resolve) => (wake = resolve));
        if (isStopped) break;
        const chunk = rest.subarray(0, credit);
        rest = rest.subarray(chunk.byteLength);
        credit -= chunk.byteLength;
        feed.data(chunk);
      }
    }
  }

  pump().catch(() => isStopped || feed.leave());
  return {
    grant(bytes) {
      credit += bytes;
      wake();
    },
    stop() {
      isStopped = true;
      wake();
    },
  };
}

/** A function need not read what it is sent: the caller may still be sending it when the answer comes. */
async function discardRest(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  readBytes: number,
): Promise<void> {
  for (let bytes = readBytes; bytes < MAX_DISCARDED_BYTES; ) {
    const { done, value } = await reader.read();
    if (done) return;
    bytes += value.byteLength;
  }
  // Ends the connection.
  await reader.cancel();
}
