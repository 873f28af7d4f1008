/** Fetches pass through this process unread: from the guest's messages to the worker's frames and back. */
import { toBase64 } from "../../../core/frames.ts";
import type { HostMessageKind } from "../../../functions/guest/host.ts";
import type { FetchAsk, FetchReply } from "../protocol/fetch-messages.ts";
import type { GuestIsolate } from "./guest-isolate.ts";

type FetchKind = FetchAsk["t"];
const KINDS: Record<FetchKind, true> = {
  ...{ fetch: true, "fetch-data": true, "fetch-body-end": true },
  ...{ "fetch-pull": true, "fetch-read": true, "fetch-cancel": true },
};

export function isFetchKind(kind: string): kind is FetchKind {
  return Object.hasOwn(KINDS, kind);
}

/** Undefined where the guest's text is none of its kind. */
export function toAsk(
  id: number,
  kind: FetchKind,
  no: number,
  text: string,
  bytes: Uint8Array | undefined,
): FetchAsk | undefined {
  switch (kind) {
    case "fetch":
      try {
        return { t: kind, id, no, head: JSON.parse(text) };
      } catch {
        return undefined;
      }
    case "fetch-data":
      return { t: kind, id, no, base64: bytes ? toBase64(bytes) : "" };
    case "fetch-pull":
      return { t: kind, id, no, bytes: Number(text) };
    case "fetch-body-end":
    case "fetch-read":
    case "fetch-cancel":
      return { t: kind, id, no };
  }
}

/** Beyond these the worker takes the word of no executor: the author's fetch fails instead. */
const MAX_METHOD_CHARS = 100;
const MAX_HEADERS = 10_000;
const MAX_HEAD_CHARS = 1_000_000;

export function isHeadTooLarge(ask: FetchAsk, text: string): boolean {
  if (ask.t !== "fetch") return false;
  const { method, headers } = ask.head;
  return method.length > MAX_METHOD_CHARS || headers.length > MAX_HEADERS || text.length > MAX_HEAD_CHARS;
}

export function deliverReply(isolate: GuestIsolate, reply: FetchReply): void {
  const kind = reply.t satisfies HostMessageKind;
  switch (reply.t) {
    case "fetch-head":
      isolate.deliver(kind, reply.no, JSON.stringify(reply.head));
      break;
    case "fetch-data":
      isolate.deliver(kind, reply.no, "", Buffer.from(reply.base64, "base64"));
      break;
    case "fetch-pull":
      isolate.deliver(kind, reply.no, String(reply.bytes));
      break;
    case "fetch-failed":
      isolate.deliver(kind, reply.no, JSON.stringify({ code: reply.code, message: reply.message }));
      break;
    case "fetch-end":
      isolate.deliver(kind, reply.no, "");
      break;
    default:
      reply satisfies never;
  }
}
