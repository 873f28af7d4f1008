/**
 * Callers of runs that this worker claimed from the queue: each waits in an API, and is handed over once the run
 * begins, so that both bodies stream as in a direct call.
 *
 * A run: claimed → asks the API that its row names for its caller, as soon as that API is connected → handed over, or
 * without a caller: the caller has disconnected, or its API is gone or cannot be asked in time.
 */
import type { Clock } from "../../core/clock.ts";
import type { CallAnswer, DirectCall } from "../../core/contracts/direct-call.ts";
import type { StoredRequest } from "../../core/domain/stored-request.ts";
import { type FinishedAttempt, hasEnded, type TriedAttempt } from "../../core/store/runs/finished-attempt.ts";
import { AttemptStop } from "../attempt-stop.ts";
import { withStoredBody } from "../runners/stored-request.ts";
import type { HttpCall } from "../sandbox/invocation.ts";
import { openGate } from "./call-gate.ts";
import { type CallResponse, createCallResponse } from "./call-response.ts";
import type { BegunCall } from "./direct-calls.ts";
import { recordAnswered } from "./record-answered.ts";

/** A worker that has just started claims runs before all APIs have found it, and a connection that broke comes again. */
const MEET_WITHIN_MS = 5_000;

export interface CallerMeetings {
  /** An API is connected, and is asked by `ask`. Answers what is to be called when it is gone. */
  join(apiId: string, ask: (runId: string) => void): () => void;
  /** The caller of a run that this worker works on; undefined: nobody's. */
  meet(apiId: string, runId: string, signal: AbortSignal): Promise<MetCaller | undefined>;
  /** An API hands a caller over. One whose run does not wait for it, or for another API's, is refused. */
  handOver(apiId: string | undefined, call: DirectCall, answer: CallAnswer): BegunCall | undefined;
  /** Nobody waits for the run in this API. */
  miss(apiId: string | undefined, runId: string): void;
}

/** A caller that hears how its run goes. */
export interface MetCaller {
  /** @param request as the run's row holds it; undefined where the API holds it. Once. */
  toCall(request: StoredRequest | undefined): HttpCall;
  /** Something went over: nobody else can be given it. */
  hasBegun(): boolean;
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
  signal: AbortSignal;
  settle(caller: MetCaller | undefined): void;
}

export function createCallerMeetings(clock: Clock): CallerMeetings {
  const apis = new Map<string, (runId: string) => void>();
  const awaited = new Map<string, Awaited>();
  let firstAskedMs: number | undefined;
  /** Of APIs that were connected. */
  const leftMs = new Map<string, number>();

  /** One that is long gone keeps no run, and no slot, waiting. */
  function mayCome(apiId: string): boolean {
    const nowMs = clock.steadyMs();
    firstAskedMs ??= nowMs;
    for (const [id, sinceMs] of leftMs) if (nowMs - sinceMs >= MEET_WITHIN_MS) leftMs.delete(id);
    return apis.has(apiId) || leftMs.has(apiId) || nowMs - firstAskedMs < MEET_WITHIN_MS;
  }

  return {
    join(apiId, ask) {
      apis.set(apiId, ask);
      for (const [runId, run] of awaited) if (run.apiId === apiId) ask(runId);
      return () => {
        if (apis.get(apiId) !== ask) return;
        apis.delete(apiId);
        leftMs.set(apiId, clock.steadyMs());
      };
    },
    async meet(apiId, runId, signal) {
      if (!mayCome(apiId)) return undefined;
      const met = Promise.withResolvers<MetCaller | undefined>();
      const over = new AbortController();
      const run: Awaited = {
        ...{ apiId, signal },
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
    handOver(apiId, call, answer) {
      const run = awaited.get(call.runId);
      if (!run || run.apiId !== apiId) {
        answer.refused("busy");
        return undefined;
      }
      const { caller, feed } = meetCaller(call, answer, run.signal);
      run.settle(caller);
      return { feed, connectionGone: () => {} };
    },
    miss(apiId, runId) {
      const run = awaited.get(runId);
      if (run?.apiId === apiId) run?.settle(undefined);
    },
  };
}

function meetCaller(call: DirectCall, given: CallAnswer, signal: AbortSignal) {
  let hasBegun = false;
  const isReleased = () => signal.reason instanceof AttemptStop && signal.reason.reason === "released";
  const answer: CallAnswer = {
    ...given,
    accepted() {
      hasBegun = true;
      given.accepted();
    },
    head(head) {
      // Its caller is met by another worker.
      if (isReleased()) return;
      hasBegun = true;
      given.head(head);
    },
  };
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
    hasBegun: () => hasBegun,
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
