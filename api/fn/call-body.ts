/**
 * When a call's body is there enough for its function to begin: a slot is for running, not for waiting for senders.
 *
 * One that says its length and is short is awaited whole. A longer one is handed over once its first part is there, and
 * flows on. One of unknown length likewise, or a moment after its first bytes: its function may want to answer before
 * more comes.
 */
import { isUtf8 } from "node:buffer";
import type { HttpRequestHead } from "../../core/contracts/http-call.ts";
import type { Claimant } from "../../core/shares.ts";
import { ArrivingBody, arrivedBody, type BodySource } from "../bodies/arriving-body.ts";
import {
  announcedBytes,
  type HeldBytes,
  hasArrived,
  holdBytes,
  type ReceivedRequest,
  receiveAnnounced,
} from "../bodies/receive-body.ts";
import type { Edge } from "../edge/edge.ts";

/** Text up to this travels in the call itself. */
const SHORT_BODY_BYTES = 65_536;
/** Awaited whole: what a worker takes at once. */
export const AWAITED_BYTES = 262_144;
export const FIRST_PART_BYTES = 65_536;
export const FIRST_BYTES_WAIT_MS = 250;

export interface CallBody {
  /** With its text where that is short. */
  sent: HttpRequestHead;
  /** What is not in `sent`. */
  body: BodySource | null;
  /** Where it comes while its function runs. */
  arriving: ArrivingBody | undefined;
  /** The memory it was received in. */
  held: HeldBytes;
}

export interface ReceivedCall {
  body: CallBody;
  /** Whether it was not there with its head: who calls may not call any more since then. */
  wasAwaited: boolean;
}

/** Throws BellhopError: it came too slowly, or there is no room for it. */
export async function receiveCallBody(
  edge: Edge,
  claimant: Claimant,
  received: ReceivedRequest,
  head: HttpRequestHead,
): Promise<ReceivedCall> {
  const held = holdBytes(edge, claimant);
  if (!head.hasBody)
    return { body: { sent: head, body: null, arriving: undefined, held }, wasAwaited: false };
  const { request, incoming } = received;
  const announced = announcedBytes(request);
  try {
    if (announced !== undefined && announced <= AWAITED_BYTES) {
      const wasAwaited = !(incoming && (await hasArrived(incoming)));
      return { body: toCallBody(head, await receiveAnnounced(edge, received, held), held), wasAwaited };
    }
    if (!request.body) return { body: toCallBody(head, Buffer.alloc(0), held), wasAwaited: false };
    return { body: await receiveFirstPart(edge, request.body, announced, head, held), wasAwaited: true };
  } catch (error) {
    held.release();
    throw error;
  }
}

function toCallBody(head: HttpRequestHead, bytes: Buffer, held: HeldBytes): CallBody {
  if (bytes.byteLength <= SHORT_BODY_BYTES && isUtf8(bytes)) {
    const sent = { ...head, hasBody: false, body: bytes.toString() };
    return { sent, body: null, arriving: undefined, held };
  }
  return { sent: head, body: arrivedBody(bytes), arriving: undefined, held };
}

async function receiveFirstPart(
  edge: Edge,
  coming: ReadableStream<Uint8Array>,
  announced: number | undefined,
  head: HttpRequestHead,
  held: HeldBytes,
): Promise<CallBody> {
  const arriving = new ArrivingBody(coming, edge);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const moment = Promise.withResolvers<"enough">();
  let forget: (() => void) | undefined;
  let underWay: ReturnType<BodySource["read"]> | undefined;
  try {
    while (bytes < FIRST_PART_BYTES) {
      underWay = arriving.read();
      const chunk = await Promise.race([underWay, moment.promise]);
      if (chunk === "enough") break;
      underWay = undefined;
      if (!chunk) return toCallBody(head, Buffer.concat(chunks), held);
      bytes += chunk.byteLength;
      held.add(chunk.byteLength);
      chunks.push(chunk);
      if (announced === undefined)
        forget ??= edge.clock.after(FIRST_BYTES_WAIT_MS, () => moment.resolve("enough"));
    }
  } catch (error) {
    arriving.ignoreRate();
    throw error;
  } finally {
    forget?.();
  }
  arriving.unread(chunks, underWay);
  return { sent: head, body: arriving, arriving, held };
}
