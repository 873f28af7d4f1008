/**
 * Callers of runs that this worker claimed from the queue: each waits in an API, and is handed over once the run begins,
 * so that both bodies stream as they do in a direct call.
 *
 * A run: claimed → asked for its caller, of the API that its row names, as soon as that API is connected → handed over, or
 * nobody's: its caller has left, its API is gone, or cannot be asked in time.
 */
import type { Clock } from "../../core/clock.ts";
import type { CallAnswer, DirectCall } from "../../core/contracts/direct-call.ts";
import type { StoredRequest } from "../../core/domain/stored-request.ts";
import { type FinishedAttempt, hasEnded, type TriedAttempt } from "../../core/store/runs/finished-attempt.ts";
import { withStoredBody } from "../runners/stored-request.ts";
import type { HttpCall } from "../sandbox/invocation.ts";
import { openGate } from "./call-gate.ts";
import { type CallResponse, createCallResponse } from "./call-response.ts";
import type { BegunCall } from "./direct-calls.ts";
import { recordAnswered } from "./record-answered.ts";

/** A worker that has just started claims runs before all APIs have found it. */
const MEET_WITHIN_MS = 5_000;

export interface CallerMeetings {
  /** An API is connected, and is asked by `ask`. Answers what is to be called when it is gone. */
  join(apiId: string, ask: (runId: string) => void): () => void;
  /** The caller of a run that this worker works on; undefined: nobody's. */
  meet(apiId: string, runId: string, signal: AbortSignal): Promise<MetCaller | undefined>;
  /** An API hands a caller over. One whose run has not waited for it is refused. */
  handOver(call: DirectCall, answer: CallAnswer): BegunCall | undefined;
  /** Nobody waits for the run there. */
  miss(runId: string): void;
}

/** A caller that hears how its run goes. */
export interface MetCaller {
  /** @param request as the run's row holds it; undefined where the API holds it. Once. */
  toCall(request: StoredRequest | undefined): HttpCall;
  /** Writes how the run ended, then tells its caller. */
  record(
    attempt: TriedAttempt,
    write: (attempt: TriedAttempt) => Promise<TriedAttempt | undefined>,
  ): Promise<void>;
  /** Nothing more comes: a caller that has not heard the end looks for it in the run's row. */
  close(): void;
}

interface Awaited {
  apiId: string;
  settle(caller: MetCaller | undefined): void;
}

export function createCallerMeetings(clock: Clock): CallerMeetings {
  const apis = new Map<string, (runId: string) => void>();
  const awaited = new Map<string, Awaited>();
  return {
    join(apiId, ask) {
      apis.set(apiId, ask);
      for (const [runId, run] of awaited) if (run.apiId === apiId) ask(runId);
      return () => {
        if (apis.get(apiId) === ask) apis.delete(apiId);
      };
    },
    async meet(apiId, runId, signal) {
      const met = Promise.withResolvers<MetCaller | undefined>();
      const over = new AbortController();
      const run: Awaited = {
        apiId,
        settle(caller) {
          if (awaited.get(runId) === run) awaited.delete(runId);
          over.abort();
          met.resolve(caller);
        },
      };
      awaited.set(runId, run);
      void clock
        .sleep(MEET_WITHIN_MS, AbortSignal.any([signal, over.signal]))
        .then(() => run.settle(undefined));
      apis.get(apiId)?.(runId);
      return await met.promise;
    },
    handOver(call, answer) {
      const run = awaited.get(call.runId);
      if (!run) {
        answer.refused("busy");
        return undefined;
      }
      const { caller, feed } = meetCaller(call, answer);
      run.settle(caller);
      return { feed, connectionGone: () => {} };
    },
    miss: (runId) => awaited.get(runId)?.settle(undefined),
  };
}

function meetCaller(call: DirectCall, answer: CallAnswer) {
  const gate = openGate(answer);
  let response: CallResponse | undefined;
  let isTold = false;
  const caller: MetCaller = {
    toCall(request) {
      const http = call.http ? gate.toCall(call.http) : withStoredBody(request!, gate.toCall);
      if (call.http?.hasBody) answer.accepted();
      response = createCallResponse(http, answer, async () => "shown");
      return response.http;
    },
    async record(attempt, write) {
      if (!hasEnded(attempt)) {
        await write(attempt);
        return;
      }
      const answered = { cut: gate.cut(), sentBytes: response?.sentBytes() };
      const outcome = await recordAnswered(
        attempt,
        answered,
        (given) => write(given) as Promise<FinishedAttempt | undefined>,
      );
      await response?.settled();
      if (!outcome) return;
      isTold = true;
      answer.done(outcome);
    },
    close() {
      if (!isTold) answer.lost();
    },
  };
  return { caller, feed: gate.feed };
}
