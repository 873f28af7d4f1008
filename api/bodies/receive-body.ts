/** Reads a request's whole body: bounded in size, in time by its rate, and in memory together with all the others. */
import type { IncomingMessage } from "node:http";
import type { BellhopError } from "../../core/errors.ts";
import type { Claimant } from "../../core/shares.ts";
import type { Edge } from "../edge/edge.ts";
import { type LeastRate, watchRate } from "../edge/least-rate.ts";
import { BusyError } from "../http/busy-error.ts";
import { ArrivingBody, bodyBrokeOff, bodyTooSlow } from "./arriving-body.ts";

export interface ReceivedRequest {
  request: Request;
  /** Node's own; undefined where there is no connection. */
  incoming: IncomingMessage | undefined;
}

/** What bodies hold of the memory for those that are not handed over yet. */
export interface HeldBytes {
  /** Throws BusyError. */
  add(bytes: number): void;
  /** Takes what is missing to so many in all. Throws BusyError. */
  reach(bytes: number): void;
  release(): void;
}

export function holdBytes({ bodies }: Pick<Edge, "bodies">, claimant: Claimant): HeldBytes {
  let held = 0;
  function add(bytes: number): void {
    if (!bodies.take(claimant, bytes))
      throw new BusyError("too_many_bodies", "Too many request bodies are in transit; try again soon.");
    held += bytes;
  }
  return {
    add,
    reach(bytes) {
      if (bytes > held) add(bytes - held);
    },
    release() {
      if (held === 0) return;
      bodies.release(claimant, held);
      held = 0;
    },
  };
}

/** The whole body. `tooLarge` is thrown beyond `maxBytes`. */
export async function receiveBody(
  edge: Edge,
  received: ReceivedRequest,
  held: HeldBytes,
  maxBytes: number,
  tooLarge: () => BellhopError,
): Promise<Buffer<ArrayBuffer>> {
  if (received.incoming) await hasArrived(received.incoming);
  return await receiveAfterLook(edge, received, held, maxBytes, tooLarge);
}

/** The same, where the caller has looked already whether it is there (`hasArrived`). */
export async function receiveAfterLook(
  edge: Edge,
  { request, incoming }: ReceivedRequest,
  held: HeldBytes,
  maxBytes: number,
  tooLarge: () => BellhopError,
): Promise<Buffer<ArrayBuffer>> {
  const announced = announcedBytes(request);
  if (announced !== undefined && !(announced <= maxBytes)) throw tooLarge();
  if (!incoming || incoming.complete || announced !== undefined) {
    const whole = await receiveAnnounced(edge, { request, incoming }, held);
    if (whole.byteLength > maxBytes) throw tooLarge();
    return whole;
  }
  if (!request.body) return Buffer.alloc(0);
  const body = new ArrivingBody(request.body, edge);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (let chunk = await body.read(); chunk; chunk = await body.read()) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw tooLarge();
    held.add(chunk.byteLength);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** How long the body says that it is; undefined where it does not. */
export function announcedBytes({ headers }: Request): number | undefined {
  const length = headers.get("content-length");
  return length === null || headers.has("transfer-encoding") ? undefined : Number(length);
}

/** What comes in one piece with its head is parsed right after it: a turn later it is known to be there. */
export async function hasArrived(incoming: IncomingMessage): Promise<boolean> {
  if (!incoming.complete) await new Promise((resolve) => setImmediate(resolve));
  return incoming.complete;
}

/**
 * A body that has come whole, as short ones do with their head, and that nobody reads: from Node's own buffer, without the
 * events of a stream. Undefined: it has not, or somebody does.
 */
export function takeArrived(incoming: IncomingMessage | undefined): Buffer<ArrayBuffer> | undefined {
  if (!incoming?.complete || incoming.readableDidRead || incoming.destroyed) return undefined;
  return incoming.read() ?? Buffer.alloc(0);
}

/**
 * One whose length is known, and bounded. The caller has looked whether it is there (`hasArrived`): what is has cost next
 * to nothing, and what is not has to keep to its rate from here on.
 */
export function receiveAnnounced(
  edge: Edge,
  { request, incoming }: ReceivedRequest,
  held: HeldBytes,
): Promise<Buffer<ArrayBuffer>> {
  const arrived = takeArrived(incoming);
  if (arrived) return Promise.resolve(arrived);
  return new Promise((resolve, reject) => {
    let rate: LeastRate | undefined;

    function finish(): void {
      rate?.stop();
      incoming?.off("data", count);
    }
    function fail(error: unknown): void {
      finish();
      reject(error);
    }
    function count({ byteLength }: Buffer): void {
      rate?.add(byteLength);
      try {
        held.add(byteLength);
      } catch (error) {
        fail(error);
      }
    }

    if (incoming && !incoming.complete) {
      rate = watchRate(edge.limits.body, edge.clock, () => fail(bodyTooSlow(edge)));
      rate.resume();
      incoming.on("data", count);
    }
    request.arrayBuffer().then(
      (whole) => {
        finish();
        resolve(Buffer.from(whole));
      },
      () => fail(bodyBrokeOff()),
    );
  });
}
