/**
 * What is left of a request's body once it is answered is thrown away, so that the answer arrives and its connection goes on:
 * a sender need not look for an answer before it has sent everything.
 *
 * answered → draining → over (all of it came; or it came too slowly, for too long, or was too much: then the connection ends).
 */
import type { IncomingMessage, RequestListener } from "node:http";
import type { Edge } from "./edge.ts";

/** Who sends more, or for longer, does not look at the answer. */
export const MAX_DRAINED_BYTES = 64_000_000;
export const MAX_DRAIN_MS = 60_000;
const LOOK_EVERY_MS = 1_000;

export function drainAnswered(
  listener: RequestListener,
  { clock, limits }: Pick<Edge, "clock" | "limits">,
): RequestListener {
  const { graceMs, bytesPerSecond } = limits.body;

  /** By the connection's own count: what Node throws away by itself comes without an event. */
  function drain(incoming: IncomingMessage): void {
    const { socket } = incoming;
    const endSocket = delayEnd(incoming);
    const beganAt = socket.bytesRead;
    let [seenAt, debtMs, passedMs] = [beganAt, 0, 0];
    let stopLooking = () => {};

    function look(): void {
      const at = socket.bytesRead;
      debtMs = Math.max(0, debtMs + LOOK_EVERY_MS - ((at - seenAt) * 1_000) / bytesPerSecond);
      seenAt = at;
      passedMs += LOOK_EVERY_MS;
      if (debtMs >= graceMs || passedMs >= MAX_DRAIN_MS || at - beganAt > MAX_DRAINED_BYTES) {
        endSocket();
        return;
      }
      // Node would end it sooner, as one that is idle since its answer.
      socket.setTimeout(socket.timeout ?? 0);
      stopLooking = clock.after(LOOK_EVERY_MS, look);
    }
    stopLooking = clock.after(LOOK_EVERY_MS, look);
    incoming.once("close", () => stopLooking());
    // Who still reads it gets no more, and must not take that for its end.
    if (incoming.listenerCount("error") > 0) incoming.emit("error", new Error("The request was answered."));
    // As Node does where nobody has begun to read it.
    incoming.removeAllListeners("data");
    incoming.resume();
  }

  return (incoming, outgoing) => {
    // Before Node's own listener, which ends a connection that is not to be kept.
    if (mayHaveBody(incoming))
      outgoing.prependOnceListener("finish", () => incoming.complete || drain(incoming));
    return listener(incoming, outgoing);
  };
}

const mayHaveBody = ({ headers }: IncomingMessage) =>
  (headers["content-length"] ?? "0") !== "0" || headers["transfer-encoding"] !== undefined;

/**
 * Until the body is through its connection is only half closed, where it is not to be kept: bytes that nobody has read when
 * it is closed make the kernel send a reset, which may overtake the answer.
 */
function delayEnd(incoming: IncomingMessage): () => void {
  const { socket } = incoming;
  const endAtOnce = socket.destroySoon.bind(socket);
  let isEnding = false;
  socket.destroySoon = () => {
    isEnding = true;
    socket.end();
  };
  incoming.once("close", () => {
    socket.destroySoon = endAtOnce;
    if (isEnding) endAtOnce();
  });
  return endAtOnce;
}
