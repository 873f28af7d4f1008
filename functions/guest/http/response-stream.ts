/** Sends a response's body chunk by chunk, as far as there is credit, until it ends or nobody takes it any more. */
import type { ByteSource } from "../web/body.ts";
import {
  endResponse,
  isCallLeft,
  type ResponseHead,
  sendResponseBytes,
  sendResponseHead,
} from "./call-channel.ts";

/** Set by who writes the response, to hear of its call. */
export interface ResponseListener {
  /** There is credit again. */
  onCredit: () => void;
  /** Nobody takes it any more, and why. */
  onLeave: (why: string) => void;
}

/** Resolves with the bytes sent; rejects with what the body's stream threw. */
export async function streamResponse(
  head: ResponseHead,
  source: ByteSource | null,
  call: ResponseListener,
): Promise<number> {
  sendResponseHead(head);
  let sentBytes = 0;
  let goOn = () => {};
  call.onCredit = () => goOn();
  call.onLeave = (why) => {
    goOn();
    source?.cancel(new TypeError(why));
  };
  if (isCallLeft()) call.onLeave("The caller is gone");
  while (source && !isCallLeft()) {
    let chunk = await source.next();
    if (chunk === undefined) break;
    while (chunk.byteLength > 0 && !isCallLeft()) {
      const sent = sendResponseBytes(chunk);
      sentBytes += sent;
      if (sent > 0) chunk = chunk.subarray(sent);
      else await new Promise<void>((resolve) => (goOn = resolve));
    }
  }
  endResponse();
  return sentBytes;
}
