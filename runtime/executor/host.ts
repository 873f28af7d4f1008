import type { FrameWriter } from "../sandbox/frames.ts";
import type { InvokeMessage, ParentMessage, ResultMessage } from "../sandbox/protocol.ts";
import { authorFrames } from "./author-frames.ts";
import { GuestIsolate, type GuestOutcome, type Ivm } from "./guest-isolate.ts";
import { IsolatePool, type IsolatePoolLimits } from "./isolate-pool.ts";

const WATCH_MS = 10;
/** Memory is looked at often while something runs, age seldom. */
const SWEEP_BUSY_TICKS = 20;
const SWEEP_IDLE_MS = 10_000;
/** Log lines are dropped while the worker has so much yet to read. */
const MAX_WAITING_BYTES = 16_000_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The executor's side of the conversation: runs what the worker sends, one isolate for each run under way. */
export class ExecutorHost {
  readonly #ivm: Ivm;
  readonly #prelude: string;
  readonly #out: FrameWriter;
  readonly #pool: IsolatePool;
  readonly #codes = new Map<string, string>();
  readonly #busy = new Map<number, GuestIsolate>();
  readonly #reportedOver = new Set<number>();
  #watch: NodeJS.Timeout | undefined;
  #ticks = 0;

  constructor(ivm: Ivm, prelude: string, out: FrameWriter, limits: IsolatePoolLimits) {
    this.#ivm = ivm;
    this.#prelude = prelude;
    this.#out = out;
    this.#pool = new IsolatePool(limits);
    setInterval(() => this.#pool.sweep(performance.now()), SWEEP_IDLE_MS);
  }

  receive(message: ParentMessage): void {
    switch (message.t) {
      case "load":
        this.#codes.set(message.revisionId, message.code);
        break;
      case "unload":
        this.#codes.delete(message.revisionId);
        this.#pool.drop(message.revisionId);
        break;
      case "invoke":
        this.#invoke(message);
        break;
      case "cancel":
        this.#busy.get(message.id)?.stop("cancelled");
        break;
    }
  }

  #invoke(message: InvokeMessage): void {
    const { id, revisionId, memoryMb, wallMs } = message;
    const warm = this.#pool.take(revisionId, memoryMb);
    const isolate = warm ?? new GuestIsolate(this.#ivm, revisionId, memoryMb);
    const deadline = setTimeout(() => isolate.stop("function_timeout"), Math.min(wallMs, MAX_TIMER_MS));
    this.#busy.set(id, isolate);
    this.#watch ??= setInterval(() => this.#watchMemory(), WATCH_MS);
    let droppedHere = 0;
    const run = {
      id,
      log: (level: string, text: string, fields: string, at: number) => {
        if (this.#out.waitingBytes > MAX_WAITING_BYTES) droppedHere++;
        else this.#out.write({ t: "log", id, level, message: text, fields, at });
      },
      done: (outcome: GuestOutcome) => {
        clearTimeout(deadline);
        this.#busy.delete(id);
        this.#reportedOver.delete(id);
        this.#out.write(toResult(id, outcome, droppedHere, warm !== undefined));
        if (!isolate.gone) this.#pool.give(isolate);
      },
    };
    const code = this.#codes.get(revisionId) ?? "throw new Error('This revision was not loaded.')";
    isolate.start(run, message, warm ? undefined : { ivm: this.#ivm, prelude: this.#prelude, code });
  }

  /** Tells the worker whose memory it is, in case the isolate's thread does not stop and the worker must kill. */
  #watchMemory(): void {
    if (++this.#ticks % SWEEP_BUSY_TICKS === 0 || this.#busy.size === 0) this.#pool.sweep(performance.now());
    if (this.#busy.size === 0) {
      clearInterval(this.#watch);
      this.#watch = undefined;
      return;
    }
    for (const [id, isolate] of this.#busy) {
      if (!isolate.isOverMemory || this.#reportedOver.has(id)) continue;
      this.#reportedOver.add(id);
      this.#out.write({ t: "over", id });
    }
  }
}

function toResult(id: number, outcome: GuestOutcome, droppedHere: number, reused: boolean): ResultMessage {
  const { code, text, recycle } = outcome;
  const base = {
    t: "result",
    id,
    droppedLines: outcome.droppedLines + droppedHere,
    reused,
    recycle,
  } as const;
  if (code === "ok") return { ...base, result: text };
  if (code !== "function_error") return { ...base, code, message: text };
  const { name, message, stack } = JSON.parse(text) as { name: string; message: string; stack: string };
  return { ...base, code, name, message, stack: authorFrames(stack) };
}
