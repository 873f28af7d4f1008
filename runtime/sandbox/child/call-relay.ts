/** Bodies of HTTP calls pass through this process unread: from the guest's messages to the worker's frames and back. */
import { toBase64 } from "../../../core/frames.ts";
import type { HostMessageKind } from "../../../functions/guest/host.ts";
import { type CallSay, type CallTell, MAX_CALL_HEADER_BYTES } from "../protocol/call-messages.ts";
import type { GuestIsolate } from "./guest-isolate.ts";

type CallKind = CallSay["t"];
const KINDS: Record<CallKind, true> = {
  ...{ "call-head": true, "call-data": true, "call-end": true, "call-pull": true },
};

/** Escaped, and with the names of its fields; the worker takes no longer frames from anyone. */
const MAX_HEAD_CHARS = MAX_CALL_HEADER_BYTES * 8;

export function isCallKind(kind: string): kind is CallKind {
  return Object.hasOwn(KINDS, kind);
}

/** A head that is too large or no JSON passes as null: the worker fails the run for it. */
export function toCallSay(id: number, kind: CallKind, text: string, bytes: Uint8Array | undefined): CallSay {
  switch (kind) {
    case "call-head":
      return { t: kind, id, head: readHead(text) };
    case "call-data":
      return { t: kind, id, base64: bytes ? toBase64(bytes) : "" };
    case "call-pull":
      return { t: kind, id, bytes: Number(text) };
    case "call-end":
      return { t: kind, id };
  }
}

function readHead(text: string): unknown {
  try {
    return text.length > MAX_HEAD_CHARS ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

const TELLS: Record<CallTell["t"], true> = {
  ...{ "call-data": true, "call-end": true, "call-pull": true, "call-leave": true },
};

export function isCallTell<M extends { t: string }>(message: M): message is M & CallTell {
  return Object.hasOwn(TELLS, message.t);
}

export function deliverCall(isolate: GuestIsolate, tell: CallTell): void {
  const kind = tell.t satisfies HostMessageKind;
  switch (tell.t) {
    case "call-data":
      isolate.deliver(kind, tell.id, "", Buffer.from(tell.base64, "base64"));
      break;
    case "call-pull":
      isolate.deliver(kind, tell.id, String(tell.bytes));
      break;
    case "call-end":
    case "call-leave":
      isolate.deliver(kind, tell.id, "");
      break;
    default:
      tell satisfies never;
  }
}
