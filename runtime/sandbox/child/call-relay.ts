/** Bodies of HTTP calls pass through this process unread: from the guest's messages to the worker's frames and back. */
import type { HostMessageKind } from "../../../functions/guest/host.ts";
import { type CallSay, type CallTell, MAX_CALL_HEADER_BYTES } from "../protocol/call-messages.ts";
import type { GuestIsolate } from "./guest-isolate.ts";

const KINDS = ["call-head", "call-data", "call-end", "call-pull"] as const;
type CallKind = (typeof KINDS)[number];

/** Escaped, and with the names of its fields; the worker takes no longer frames from anyone. */
const MAX_HEAD_CHARS = MAX_CALL_HEADER_BYTES * 8;

export function isCallKind(kind: string): kind is CallKind {
  return (KINDS as readonly string[]).includes(kind);
}

/** A head that is too large or no JSON passes as null: the worker fails the run for it. */
export function toCallSay(id: number, kind: CallKind, text: string, bytes: Uint8Array | undefined): CallSay {
  switch (kind) {
    case "call-head":
      return { t: kind, id, head: readHead(text) };
    case "call-data":
      return { t: kind, id, base64: toBase64(bytes) };
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

function toBase64(bytes: Uint8Array | undefined): string {
  return bytes ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64") : "";
}

const TELLS = ["call-data", "call-end", "call-pull", "call-leave"];

export function isCallTell<M extends { t: string }>(message: M): message is M & CallTell {
  return TELLS.includes(message.t);
}

export function deliverCall(isolate: GuestIsolate, tell: CallTell): void {
  const kind = tell.t satisfies HostMessageKind;
  if (tell.t === "call-data") isolate.deliver(kind, tell.id, "", Buffer.from(tell.base64, "base64"));
  else isolate.deliver(kind, tell.id, tell.t === "call-pull" ? String(tell.bytes) : "");
}
