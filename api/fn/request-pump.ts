import type { CallerStream } from "../../core/contracts/call-stream.ts";
import type { BodySource } from "../bodies/arriving-body.ts";

const MAX_DISCARDED_BYTES = 67_108_864;

export interface RequestPump {
  grant(bytes: number): void;
  stop(): void;
}

/**
 * Feeds a request's body to the worker, as far as it has granted. One that does not come to its end is told to
 * `onBroken`, with what was wrong.
 */
export function pumpRequestBody(
  body: BodySource,
  feed: CallerStream,
  windowBytes: number,
  onBroken: (error: unknown) => void,
): RequestPump {
  let credit = windowBytes;
  let isStopped = false;
  let wake = () => {};

  async function pump(): Promise<void> {
    for (;;) {
      const chunk = await body.read();
      if (isStopped) {
        if (chunk) await discardRest(body, chunk.byteLength);
        return;
      }
      if (!chunk) {
        feed.end();
        return;
      }
      let rest = chunk;
      while (rest.byteLength > 0 && !isStopped) {
        if (credit <= 0) await new Promise<void>((resolve) => (wake = resolve));
        if (isStopped) break;
        const part = rest.subarray(0, credit);
        rest = rest.subarray(part.byteLength);
        credit -= part.byteLength;
        feed.data(part);
      }
    }
  }

  pump().catch((error: unknown) => isStopped || onBroken(error));
  return {
    grant(bytes) {
      credit += bytes;
      wake();
    },
    stop() {
      isStopped = true;
      body.ignoreRate();
      wake();
    },
  };
}

/** A function need not read what it is sent: the caller may still be sending it when the answer comes. */
async function discardRest(body: BodySource, readBytes: number): Promise<void> {
  for (let bytes = readBytes; bytes < MAX_DISCARDED_BYTES; ) {
    const chunk = await body.read();
    if (!chunk) return;
    bytes += chunk.byteLength;
  }
  // Ends the connection.
  await body.cancel();
}
