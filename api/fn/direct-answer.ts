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
}

export function answerDirectly(
  { direct, edge, caller, ...asked }: DirectAsking,
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
        response = createResponseBody(feed, leave);
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

/** Grants the worker what the caller has taken. */
function createResponseBody(feed: CallerStream, onCancel: () => void): ResponseBody {
  let ungranted = 0;
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
        isOver = true;
        onCancel();
      },
    },
    { highWaterMark: 1 },
  );
  return {
    stream,
    push(bytes) {
      if (isOver) return;
      ungranted += bytes.byteLength;
      controller.enqueue(bytes);
    },
    end() {
      if (isOver) return;
      isOver = true;
      controller.close();
    },
    fail(error) {
      if (isOver) return;
      isOver = true;
      controller.error(error);
    },
  };
}
