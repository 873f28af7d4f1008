import { domainToASCII } from "node:url";
import { isDeepStrictEqual } from "node:util";
import type ivmTypes from "isolated-vm";
import type { FrameWriter } from "../../../core/frames.ts";
import {
  type AttemptWord,
  isThrown,
  type Thrown,
  type ThrownInFull,
} from "../../../functions/guest/thrown.ts";
import { MAX_KV_ASK_CHARS } from "../protocol/kv-messages.ts";
import type {
  ChildMessage,
  InvokedRun,
  InvokeMessage,
  LogMessage,
  ParentMessage,
  ResultMessage,
  WarmMessage,
} from "../protocol/messages.ts";
import { authorFrames } from "./author-frames.ts";
import { deliverCall, isCallKind, isCallTell, toCallSay } from "./call-relay.ts";
import { deliverReply, isFetchKind, isHeadTooLarge, toAsk } from "./fetch-relay.ts";
import type { Ivm } from "./guest-context.ts";
import { GuestCrypto } from "./guest-crypto.ts";
import { GuestIsolate } from "./guest-isolate.ts";
import type { GuestOutcome } from "./guest-outcome.ts";
import type { GuestRun } from "./guest-run.ts";
import type { HostFunctions } from "./host-functions.ts";
import { IsolatePool, type IsolatePoolLimits } from "./isolate-pool.ts";
import type { NodeModules } from "./node-modules.ts";
import { RevisionScript } from "./revision-script.ts";
import { RunWatch } from "./run-watch.ts";

/** Memory is looked at often while something runs, age seldom. */
const SWEEP_BUSY_TICKS = 20;
const SWEEP_IDLE_MS = 10_000;
/** Warm isolates that hold so much more are told of before the next sweep: the worker allows for them. */
const REPORT_BYTES = 4_000_000;
/** Log lines are dropped while the worker has so much yet to read. */
const MAX_WAITING_BYTES = 16_000_000;
/** What the first function is likely to ask for. */
const FIRST_SPARE_MB = 128;

/** What a cancelled run that has something to tidy up has left; well below the sandbox's own grace. */
const TIDY_MS = 150;

const KV_TOO_LARGE = JSON.stringify({
  error: { code: "kv_value_too_large", message: "The key or the value is too large." },
});

const NOT_LOADED = new RevisionScript("throw new Error('This revision was not loaded.')");

const TOO_LARGE = {
  t: "fetch-failed",
  code: "invalid_request",
  message: "The request's method or headers are too large.",
} as const;

/** The executor's side of the conversation: runs what the worker sends, one isolate for each batch under way. */
export class ExecutorHost {
  readonly #out: FrameWriter;
  readonly #pool: IsolatePool;
  readonly #scripts = new Map<string, RevisionScript>();
  readonly #busy = new Set<GuestIsolate>();
  readonly #cryptos = new WeakMap<GuestIsolate, GuestCrypto>();
  /** By the id of the run under way or to come. */
  readonly #byRun = new Map<number, GuestIsolate>();
  /** Runs that look at their signal, or whose response has begun: its body is to be cancelled. */
  readonly #tidying = new Set<number>();
  readonly #watch: RunWatch;
  /** Results of batches that go on: each would wake the worker for itself. */
  readonly #held: { message: ResultMessage; payload: string | undefined }[] = [];
  #ticks = 0;
  #reported: WarmMessage = { t: "warm", isolates: 0, bytes: 0, evicted: { memory: 0, idle: 0 } };

  constructor(
    ivm: Ivm,
    snapshot: ivmTypes.ExternalCopy<ArrayBuffer>,
    nodeModules: NodeModules,
    out: FrameWriter,
    limits: IsolatePoolLimits,
  ) {
    this.#out = out;
    const hostFunctions: HostFunctions<GuestIsolate> = {
      onMessage: (isolate, kind, no, text, bytes) => this.#onGuestMessage(isolate, kind, no, text, bytes),
      // Node loads it when it is first read, which takes 5 ms that few functions need.
      randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
      domainToAscii: domainToASCII,
      nodeModule: (name) => nodeModules.scriptOf(name),
    };
    const onIdle = (isolate: GuestIsolate) => this.#pool.give(isolate, performance.now());
    this.#pool = new IsolatePool(
      limits,
      (memoryMb) => new GuestIsolate(ivm, snapshot, memoryMb, hostFunctions, onIdle),
    );
    this.#watch = new RunWatch(
      this.#busy,
      (isolate, what) => {
        const run = isolate.current;
        if (run) this.#send({ t: "over", id: run.id, what });
      },
      () => this.#onTick(),
    );
    setInterval(() => {
      this.#pool.sweep(performance.now());
      this.#reportWarm();
    }, SWEEP_IDLE_MS);
  }

  /** Boots an isolate for the first function, which keeps this thread for a while: once the worker has been told that it may call. */
  prepare(): void {
    this.#pool.prepareSpares(FIRST_SPARE_MB);
  }

  receive(message: ParentMessage, payload = ""): void {
    switch (message.t) {
      case "load":
        this.#scripts.set(message.revisionId, new RevisionScript(message.code));
        break;
      case "unload":
        // Isolates that have it stay as they are.
        this.#scripts.delete(message.revisionId);
        break;
      case "warm-limit":
        this.#pool.setMaxWarmBytes(message.bytes, performance.now());
        this.#reportWarm();
        break;
      case "invoke":
        this.#invoke(message, payload);
        break;
      case "cancel": {
        const isolate = this.#byRun.get(message.id);
        if (isolate?.current?.id === message.id) this.#cancel(isolate, message.id);
        break;
      }
      case "kv": {
        const isolate = this.#byRun.get(message.id);
        if (isolate?.current?.id === message.id) isolate.deliver("kv", message.no, message.answer);
        break;
      }
      default: {
        const isolate = this.#byRun.get(message.id);
        if (isolate?.current?.id !== message.id) break;
        if (isCallTell(message)) deliverCall(isolate, message);
        else deliverReply(isolate, message);
      }
    }
  }

  /** A run that has something to tidy up has a moment for it. */
  #cancel(isolate: GuestIsolate, id: number): void {
    if (!this.#tidying.has(id)) {
      isolate.stop("cancelled");
      return;
    }
    isolate.deliver("abort", id, "");
    const stop = () => {
      if (isolate.current?.id === id) isolate.stop("cancelled");
    };
    // A turn later: what it has settled by now counts.
    setTimeout(() => setImmediate(stop), TIDY_MS);
  }

  #invoke({ revisionId, memoryMb, reuse, runs, startsChars }: InvokeMessage, payload: string): void {
    const { isolate, isWarm } = this.#pool.take(revisionId, memoryMb, reuse, performance.now());
    if (!reuse) isolate.forbidReuse();
    this.#busy.add(isolate);
    this.#watch.wake();
    const batch = runs.map((run, index) => this.#toGuestRun(run, isolate, isWarm || index > 0));
    const given = { starts: payload.slice(0, startsChars), bodies: payload.slice(startsChars) };
    if (isWarm) isolate.start(batch, given);
    else isolate.start(batch, given, this.#scripts.get(revisionId) ?? NOT_LOADED);
  }

  #toGuestRun(invoked: InvokedRun, isolate: GuestIsolate, reused: boolean): GuestRun {
    const { id } = invoked;
    let droppedHere = 0;
    this.#byRun.set(id, isolate);
    return {
      ...invoked,
      log: (level, message, fields, at) => {
        if (this.#out.waitingBytes > MAX_WAITING_BYTES) droppedHere++;
        else this.#send({ t: "log", id, level: level as LogMessage["level"], message, fields, at });
      },
      done: (outcome) => {
        this.#byRun.delete(id);
        this.#tidying.delete(id);
        this.#held.push({
          message: toResult(id, outcome, droppedHere, reused ? undefined : isolate.loadMs, reused),
          payload: outcome.code === "ok" ? outcome.text : undefined,
        });
        if (isolate.current !== undefined) return;
        this.#busy.delete(isolate);
        if (isolate.gone) this.#pool.forget(isolate);
        this.#sendHeld();
      },
      giveBack: () => {
        this.#byRun.delete(id);
        this.#send({ t: "unstarted", ids: [id] });
      },
    };
  }

  #onGuestMessage(
    isolate: GuestIsolate,
    kind: string,
    no: number,
    text: string,
    bytes: Uint8Array | undefined,
  ): void {
    const run = isolate.current!;
    if (isFetchKind(kind)) {
      const ask = toAsk(run.id, kind, no, text, bytes);
      if (!ask) return;
      if (isHeadTooLarge(ask, text)) deliverReply(isolate, { ...TOO_LARGE, id: run.id, no });
      else this.#send(ask);
    } else if (isCallKind(kind)) {
      if (no !== run.id) return;
      if (kind === "call-head") this.#tidying.add(run.id);
      this.#send(toCallSay(run.id, kind, text, bytes));
    } else if (kind === "kv") {
      if (text.length <= MAX_KV_ASK_CHARS) this.#send({ t: "kv", id: run.id, no, ask: text });
      else isolate.deliver("kv", no, KV_TOO_LARGE);
    } else if (kind === "signal") {
      if (no === run.id) this.#tidying.add(run.id);
    } else if (kind === "crypto") void this.#answerCrypto(isolate, no, text, bytes);
  }

  async #answerCrypto(isolate: GuestIsolate, no: number, text: string, bytes: Uint8Array | undefined) {
    let crypto = this.#cryptos.get(isolate);
    if (!crypto) {
      crypto = new GuestCrypto();
      this.#cryptos.set(isolate, crypto);
    }
    const asking = isolate.current;
    isolate.beginWork();
    const answer = await crypto.answer(text, bytes, () => isolate.isRunning(asking));
    isolate.endWork();
    isolate.deliver("crypto", no, answer.text, answer.bytes);
  }

  /** What a run says follows the results of those before it. */
  #send(message: ChildMessage): void {
    this.#sendHeld();
    this.#out.write(message);
  }

  #sendHeld(): void {
    if (this.#held.length === 0) return;
    for (const { message, payload } of this.#held.splice(0)) this.#out.write(message, payload);
  }

  #onTick(): void {
    this.#sendHeld();
    const isTimeToSweep = ++this.#ticks % SWEEP_BUSY_TICKS === 0 || this.#busy.size === 0;
    if (isTimeToSweep) this.#pool.sweep(performance.now());
    if (isTimeToSweep || this.#pool.warmBytes - this.#reported.bytes >= REPORT_BYTES) this.#reportWarm();
  }

  #reportWarm(): void {
    const { warmCount: isolates, warmBytes: bytes, evictions } = this.#pool;
    const report = { t: "warm", isolates, bytes, evicted: { ...evictions } } as const;
    if (isDeepStrictEqual(report, this.#reported)) return;
    this.#reported = report;
    this.#send(report);
  }
}

/** What a run that succeeded answers goes beside it. */
function toResult(
  id: number,
  outcome: GuestOutcome,
  droppedHere: number,
  loadMs: number | undefined,
  reused: boolean,
): ResultMessage {
  const { code, text, recycle } = outcome;
  const base = {
    t: "result",
    id,
    droppedLines: outcome.droppedLines + droppedHere,
    reused,
    ...(loadMs === undefined ? {} : { loadMs }),
    recycle,
    ...(outcome.ranMs === undefined ? {} : { ranMs: outcome.ranMs }),
    ...(outcome.heldBytes === undefined ? {} : { heldBytes: outcome.heldBytes }),
    ...(outcome.waited ? { waited: true } : {}),
  } as const;
  if (code === "ok") return base;
  if (code !== "function_error") return { ...base, code, message: text };
  const failure = JSON.parse(text) as ThrownInFull & Partial<AttemptWord>;
  const { name, message, stack, code: reason, causes, again, afterMs } = failure;
  return {
    ...base,
    ...{ code, name, message, stack: authorFrames(stack), causes: toCauses(causes) },
    ...(reason === undefined ? {} : { reason }),
    ...(again === undefined ? {} : { again }),
    ...(afterMs === undefined ? {} : { afterMs }),
  };
}

/** The array may be the author's own doing: he can give arrays another form in JSON. */
function toCauses(causes: unknown): Thrown[] {
  if (!Array.isArray(causes)) return [];
  return causes
    .filter((cause) => isThrown(cause))
    .map((cause) => ({ ...cause, stack: authorFrames(cause.stack) }));
}
