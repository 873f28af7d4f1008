/** A sandbox call whose caller is behind a connection, and its input feed, which exists before the sandbox is asked. */
import type { CallerStream, CutReason } from "../../core/contracts/call-stream.ts";
import type { CallAnswer } from "../../core/contracts/direct-call.ts";
import type { HttpRequestHead } from "../../core/contracts/http-call.ts";
import type { HttpCall } from "../sandbox/invocation.ts";

export interface Gate {
  /** The call, with its response going to the caller. */
  toCall(head: HttpRequestHead): HttpCall;
  feed: CallerStream;
  /** Why the caller was cut off, if it was. */
  cut(): CutReason | undefined;
}

export function openGate(answer: CallAnswer): Gate {
  let opened: CallerStream | undefined;
  let cut: CutReason | undefined;
  const kept: ((feed: CallerStream) => void)[] = [];
  const say = (act: (feed: CallerStream) => void) => {
    if (opened) act(opened);
    else kept.push(act);
  };
  return {
    toCall: (head) => ({
      head,
      onOpen(feed) {
        opened = feed;
        for (const act of kept.splice(0)) act(feed);
      },
      onHead: (given) => answer.head(given),
      onData: (bytes) => answer.data(bytes),
      onEnd: () => answer.end(),
      onPull: (bytes) => answer.pull(bytes),
    }),
    feed: {
      data: (bytes) => say((feed) => feed.data(bytes)),
      end: () => say((feed) => feed.end()),
      pull: (bytes) => say((feed) => feed.pull(bytes)),
      leave(reason) {
        cut ??= reason;
        say((feed) => feed.leave());
      },
    },
    cut: () => cut,
  };
}
