/** What runs of one executor ask of the world: fetches, their store, the response of the call they answer. */
import type { AttemptOutcome } from "../../../core/domain/attempt.ts";
import { type CallSay, MAX_CALL_RESULT_BYTES } from "../protocol/call-messages.ts";
import type { FetchAsk } from "../protocol/fetch-messages.ts";
import type { KvAsk } from "../protocol/kv-messages.ts";
import type { ResultMessage } from "../protocol/messages.ts";
import type { SandboxParts } from "../settings.ts";
import type { ExecutorChannel } from "./executor-channel.ts";
import { type ExecutorRun, isUnderWay } from "./executor-run.ts";
import { ProtocolError } from "./fetch/protocol-error.ts";
import { RunFetches } from "./fetch/run-fetches.ts";
import { RunKv } from "./kv/run-kv.ts";
import { toOutcome, toRecordedOutcome } from "./outcome.ts";

export type RunAsk = FetchAsk | KvAsk | CallSay;

const NO_WAY_OUT = {
  t: "fetch-failed",
  code: "fetch_unavailable",
  message: "Functions cannot reach the network from here.",
} as const;

export class RunAsks {
  readonly #parts: SandboxParts;
  readonly #channel: ExecutorChannel;

  constructor(parts: SandboxParts, channel: ExecutorChannel) {
    this.#parts = parts;
    this.#channel = channel;
  }

  /** Throws ProtocolError where the executor must be killed for it. May set the run's `refusal`. */
  receive(run: ExecutorRun, ask: RunAsk): void {
    switch (ask.t) {
      case "call-head":
      case "call-data":
      case "call-end":
      case "call-pull":
        this.#onCallSay(run, ask);
        break;
      case "kv":
        this.#onKvAsk(run, ask);
        break;
      default:
        this.#onFetchAsk(run, ask);
    }
  }

  /** The run is over: nothing more is asked or answered. */
  close(run: ExecutorRun): void {
    run.fetches?.close();
    run.job.call?.close();
    run.kv?.close();
  }

  #onCallSay(run: ExecutorRun, say: CallSay): void {
    if (run.isCancelled || run.refusal) return;
    if (!isUnderWay(run) || !run.job.call) throw new ProtocolError("a response of a run that was not asked");
    run.refusal = run.job.call.receive(say);
  }

  #onKvAsk(run: ExecutorRun, ask: KvAsk): void {
    if (!isUnderWay(run)) return;
    run.kv ??= new RunKv(run.job.options.kv, (reply) => {
      if (this.#channel.isOpen) this.#channel.write(reply);
    });
    run.kv.receive(ask);
  }

  #onFetchAsk(run: ExecutorRun, ask: FetchAsk): void {
    // Asked for by one that was cancelled or had no turn yet: nothing of it goes out.
    if (!isUnderWay(run) || run.isCancelled) return;
    run.fetches ??= this.#openFetches(run);
    if (run.fetches) run.fetches.receive(ask);
    else if (ask.t === "fetch") this.#channel.write({ ...NO_WAY_OUT, id: ask.id, no: ask.no });
  }

  #openFetches({ id, job }: ExecutorRun): RunFetches | undefined {
    const { egress } = this.#parts;
    if (!egress) return undefined;
    const { limits, traceparent, namespaceId } = job.invocation;
    return new RunFetches({
      runId: id,
      egress,
      tenant: namespaceId,
      subrequests: limits.subrequests,
      memoryMb: limits.memoryMb,
      traceparent,
      span: job.options.span,
      onRequest: job.options.onRequest,
      showHost: job.options.showHost,
      send: (reply) => this.#channel.write(reply),
      isCongested: () => this.#channel.isCongested,
      drained: () => this.#channel.drained(),
    });
  }
}

/** What an executor said of a run, as its outcome; of one that answers a call, with a response that can be sent. */
export function judgeResult({ job }: ExecutorRun, message: ResultMessage): AttemptOutcome {
  const { call, invocation } = job;
  if (!call) return toRecordedOutcome(message, invocation.limits.resultBytes);
  return call.judge(toOutcome(message, MAX_CALL_RESULT_BYTES));
}
