/**
 * A call over HTTP, handed directly to a worker: the request's body goes to the worker as far as it grants, the response comes back
 * as the caller takes it.
 *
 * asked → accepted (the body flows) → head (the response flows) → ended, once the run is recorded. The caller may leave
 * at any time; the run goes on.
 */

import type { CallerStream, CutReason } from "../../core/contracts/call-stream.ts";
import {
  DIRECT_WINDOW_BYTES,
  type DirectCall,
  type DirectOutcome,
} from "../../core/contracts/direct-call.ts";
import type { HttpResponseHead } from "../../core/contracts/http-call.ts";
import { RESPONSE_LOST } from "../../core/domain/run-errors.ts";
import { BellhopError } from "../../core/errors.ts";
import { bodyBrokeOff, TOO_SLOW } from "../bodies/arriving-body.ts";
import type { Caller } from "../calls/caller.ts";
import type { CallEvents, DirectCaller, NoneReason } from "../direct/direct-caller.ts";
import type { Edge } from "../edge/edge.ts";
import type { CallBody } from "./call-body.ts";
import { pumpRequestBody, type RequestPump } from "./request-pump.ts";
import { lengthOf } from "./response.ts";

export type DirectAnswer =
  /** It streams. */
  | { head: HttpResponseHead; body: ReadableStream<Uint8Array> }
  /** The run's end as it is recorded, with the whole response where it succeeded; undefined: its caller left before. */
  | { outcome: DirectOutcome | undefined }
  /** No worker took it: nothing has happened, and the rest of the request's body is unread. */
  | { none: NoneReason }
  /** The request's body came too slowly, or broke off; its run has ended for it, or is about to. */
  | { broken: BellhopError };

export interface DirectAsking extends Pick<CallEvents, "renew" | "mostAtOnce"> {
  direct: DirectCaller;
  edge: Edge;
  caller: Caller;
  /**
   * Ends the connection of a response that cannot go on. Without it the response's stream fails, which the HTTP server
   * tells of on stderr, with a stack.
   */
  breakOff?: ((error: Error) => void) | undefined;
}

export function answerDirectly(
  { direct, edge, caller, breakOff: endConnection, ...asked }: DirectAsking,
  call: DirectCall,
  { body, arriving }: Pick<CallBody, "body" | "arriving">,
): Promise<DirectAnswer> {
  return new Promise((resolve) => {
    let feed: CallerStream;
    let pump: RequestPump | undefined;
    let response: ResponseBody | undefined;
    let stay = () => {};
    let isLeft = false;
    const letGo = (cut?: CutReason) => {
      if (isLeft) return;
      isLeft = true;
      stay();
      pump?.stop();
      feed.leave(cut);
    };
    const leave = () => {
      letGo(caller.isCut ? "response_not_taken" : undefined);
      resolve({ outcome: undefined });
    };
    const breakOff = (error: unknown) => {
      const broken = error instanceof BellhopError ? error : bodyBrokeOff();
      letGo(broken.code === TOO_SLOW ? TOO_SLOW : undefined);
      response?.fail(broken);
      resolve({ broken });
    };
    const settle = (answer: DirectAnswer) => {
      pump?.stop();
      stay();
      resolve(answer);
    };
    direct.begin(call, {
      ...asked,
      isGone: () => caller.isGone,
      onFeed(given) {
        feed = given;
        // Another worker is asked: that its caller left, the one before was told.
        isLeft = false;
        stay();
        if (caller.isGone) leave();
        else stay = caller.onGone(leave);
      },
      onAccepted() {
        if (body) pump = pumpRequestBody(body, feed, DIRECT_WINDOW_BYTES, breakOff);
      },
      onPull: (bytes) => pump?.grant(bytes),
      onHead(head) {
        // From here on caller and function may be talking, each at its own pace.
        arriving?.changeRate(edge.limits.duplex);
        const length = call.http?.method === "HEAD" ? undefined : lengthOf(head);
        response = createResponseBody(feed, { length, leave, breakOff: endConnection });
        resolve({ head, body: response.stream });
      },
      onData(bytes) {
        arriving?.credit(bytes.byteLength);
        response?.push(bytes);
      },
      // The run goes on for what it waits for; its caller does not.
      onEnd: () => response?.end(),
      onDone(outcome) {
        // Without an end before, it broke off.
        response?.fail(new Error("the function failed while its response was under way"));
        settle({ outcome });
      },
      onNone: (none) => settle({ none }),
      onLost(outcome) {
        response?.fail(new Error("the worker is lost"));
        settle({
          outcome: outcome.state === "succeeded" ? { state: "failed", error: RESPONSE_LOST } : outcome,
        });
      },
    });
  });
}

interface ResponseBody {
  stream: ReadableStream<Uint8Array>;
  push(bytes: Uint8Array): void;
  end(): void;
  fail(error: Error): void;
}

interface ResponseWays {
  /** What its head says: more or less would be taken for another response, or never end. */
  length: number | undefined;
  /** The caller is gone. */
  leave(): void;
  breakOff: DirectAsking["breakOff"];
}

/** Grants the worker what the caller has taken. */
function createResponseBody(feed: CallerStream, { length, leave, breakOff }: ResponseWays): ResponseBody {
  let ungranted = 0;
  let bytesCame = 0;
  let isOver = false;
  let controller: ReadableStreamDefaultController<Uint8Array>;
  const stream = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given;
      },
      pull() {
        if (ungranted === 0) return;
        feed.pull(ungranted);
        ungranted = 0;
      },
      cancel() {
        if (isOver) return;
        isOver = true;
        leave();
      },
    },
    { highWaterMark: 1 },
  );
  const fail = (error: Error) => {
    if (isOver) return;
    isOver = true;
    if (breakOff) breakOff(error);
    else controller.error(error);
  };
  return {
    stream,
    fail,
    push(bytes) {
      if (isOver) return;
      bytesCame += bytes.byteLength;
      if (length !== undefined && bytesCame > length) {
        fail(new Error("the function gave more than its content-length"));
        leave();
        return;
      }
      ungranted += bytes.byteLength;
      controller.enqueue(bytes);
    },
    end() {
      if (length !== undefined && bytesCame < length) {
        fail(new Error("the function gave less than its content-length"));
      }
      if (isOver) return;
      isOver = true;
      controller.close();
    },
  };
}
