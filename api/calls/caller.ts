/** Whoever waits for the answer to a call. */
import type { Context } from "hono";
import { type ApiEnv, type ApiParts, incomingOf, outgoingOf } from "../environment.ts";

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
  const connection = connectionOf(context);
  const socket = incomingOf(context)?.socket;
  return {
    get isGone() {
      return connection.isBroken() || lettingGo.aborted;
    },
    // An API that lets go closes connections.
    get hasLeft() {
      return connection.isBroken() && !lettingGo.aborted;
    },
    get isCut() {
      return socket !== undefined && edge.cutOff.has(socket);
    },
    onGone(leave) {
      const forgets = [connection.onBroken(leave), lettingGo.onAbort(leave)];
      return () => {
        for (const forget of forgets) forget();
      };
    },
    toSignal: () => AbortSignal.any([context.req.raw.signal, lettingGo.signal]),
  };
}

interface Connection {
  /** It broke before the response was out. */
  isBroken(): boolean;
  /** Calls `act` when that happens, unless what this answers is called before. */
  onBroken(act: () => void): () => void;
}

/** Where Node has it, by its own event: the request's signal says the same, and costs each call some microseconds. */
function connectionOf(context: Context<ApiEnv>): Connection {
  const outgoing = outgoingOf(context);
  if (outgoing)
    return {
      isBroken: () => outgoing.closed && !outgoing.writableFinished,
      onBroken(act) {
        const tell = () => {
          if (!outgoing.writableFinished) act();
        };
        outgoing.once("close", tell);
        return () => outgoing.off("close", tell);
      },
    };
  const { signal } = context.req.raw;
  return {
    isBroken: () => signal.aborted,
    onBroken(act) {
      signal.addEventListener("abort", act, { once: true });
      return () => signal.removeEventListener("abort", act);
    },
  };
}
