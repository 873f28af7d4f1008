/** A streaming response: nothing of it goes out before its run is visible. */
import type { CallAnswer } from "../../core/contracts/direct-call.ts";
import type { HttpCall } from "../sandbox/invocation.ts";

/** What became of making a run visible. `unknown`: the database did not answer before the run ended. */
export type Showing = "shown" | "given_up" | "unknown";

export interface CallResponse {
  http: HttpCall;
  sentBytes(): number;
  /** Resolves when all that came was passed on. */
  settled(): Promise<void>;
}

export function createCallResponse(
  http: HttpCall,
  answer: CallAnswer,
  show: () => Promise<Showing>,
): CallResponse {
  let sentBytes = 0;
  let isShown = false;
  /** What waits for the run to be seen; the caller's credit bounds it. */
  let shown: Promise<void> | undefined;
  const kept: (() => void)[] = [];
  const pass = (act: () => void) => {
    if (isShown) act();
    else kept.push(act);
  };
  return {
    http: {
      ...http,
      onHead(head) {
        kept.push(() => answer.head(head));
        shown = show().then((showing) => {
          if (showing === "given_up") return;
          isShown = true;
          for (const act of kept.splice(0)) act();
        });
      },
      onData(bytes) {
        sentBytes += bytes.byteLength;
        pass(() => answer.data(bytes));
      },
      onEnd: () => pass(() => answer.end()),
    },
    sentBytes: () => sentBytes,
    settled: async () => await shown,
  };
}
