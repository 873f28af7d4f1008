/** Whoever waits for the answer to a call. */
import type { Context } from "hono";
import { type ApiEnv, type ApiParts, incomingOf } from "../environment.ts";

export interface Caller {
  /** Nobody waits any more: it has left, or the API stops and has waited for as long as it can. */
  readonly isGone: boolean;
  /** It went by itself: its connection broke while the API still held it. */
  readonly hasLeft: boolean;
  /** It was cut off: it did not take what was there for it. */
  readonly isCut: boolean;
  /** Calls `leave` once, when that happens; nothing more after what it returns was called. */
  onGone(leave: () => void): () => void;
  /** For what takes a signal. It costs more than `onGone`. */
  toSignal(): AbortSignal;
}

export function callerOf(context: Context<ApiEnv>, { lettingGo, edge }: ApiParts): Caller {
  const { signal } = context.req.raw;
  const socket = incomingOf(context)?.socket;
  return {
    get isGone() {
      return signal.aborted || lettingGo.aborted;
    },
    // An API that lets go closes connections.
    get hasLeft() {
      return signal.aborted && !lettingGo.aborted;
    },
    get isCut() {
      return socket !== undefined && edge.cutOff.has(socket);
    },
    onGone(leave) {
      signal.addEventListener("abort", leave, { once: true });
      lettingGo.addEventListener("abort", leave, { once: true });
      return () => {
        signal.removeEventListener("abort", leave);
        lettingGo.removeEventListener("abort", leave);
      };
    },
    toSignal: () => AbortSignal.any([signal, lettingGo]),
  };
}
