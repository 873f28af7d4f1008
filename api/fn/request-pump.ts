import type { CallFeed } from "../direct/worker-link.ts";

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
      if (isStopped) return;
      if (done) {
        feed.end();
        return;
      }
      let rest: Uint8Array = value;
      while (rest.byteLength > 0) {
        if (credit <= 0) await new Promise<void>((resolve) => (wake = resolve));
        if (isStopped) return;
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
      if (isStopped) return;
      isStopped = true;
      wake();
      reader.cancel().catch(() => {});
    },
  };
}
