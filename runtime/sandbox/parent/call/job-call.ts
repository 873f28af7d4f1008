/**
 * The HTTP call that a run answers, between its caller and its executor.
 *
 * waiting (what the caller feeds is kept: its credit bounds it) → attached, with the run under way → closed, with the
 * run. The response: none yet → head → ended; or it comes whole, with the result.
 */
import type { CallerStream } from "../../../../core/contracts/call-stream.ts";
import { type AttemptOutcome, failed, succeeded } from "../../../../core/domain/attempt.ts";
import { toBase64 } from "../../../../core/frames.ts";
import type { Json } from "../../../../core/json.ts";
import type { HttpCall } from "../../invocation.ts";
import {
  CALL_CHUNK_BYTES,
  CALL_WINDOW_BYTES,
  type CallSay,
  type CallTell,
} from "../../protocol/call-messages.ts";
import { ProtocolError } from "../fetch/protocol-error.ts";
import { toResponseHead } from "./response-head.ts";

type Tell<T = CallTell> = T extends CallTell ? Omit<T, "id"> : never;

const NOT_SENDABLE: AttemptOutcome = failed(
  "function_error",
  "The response's status or headers cannot be sent.",
  { retryable: true },
);

export class JobCall implements CallerStream {
  readonly #call: HttpCall;
  #tell: ((message: Tell) => void) | undefined;
  #kept: Tell[] = [];
  #isClosed = false;
  #isLeft = false;
  #stage: "none" | "head" | "ended" = "none";
  /** Response bytes that the executor may send. */
  #creditBytes = CALL_WINDOW_BYTES;
  /** Fed, and not granted again yet. */
  #fedBytes = 0;

  constructor(call: HttpCall) {
    this.#call = call;
    call.onOpen(this);
  }

  /** The run is under way: what was kept goes first. */
  attach(tell: (message: Tell) => void): void {
    this.#tell = tell;
    for (const message of this.#kept.splice(0)) tell(message);
  }

  close(): void {
    this.#isClosed = true;
    this.#kept = [];
    this.#tell = undefined;
  }

  data(bytes: Uint8Array): void {
    this.#fedBytes += bytes.byteLength;
    for (let at = 0; at < bytes.byteLength; at += CALL_CHUNK_BYTES) {
      const size = Math.min(CALL_CHUNK_BYTES, bytes.byteLength - at);
      this.#say({ t: "call-data", base64: toBase64(bytes.subarray(at, at + size)) });
    }
  }

  end(): void {
    this.#say({ t: "call-end" });
  }

  pull(bytes: number): void {
    this.#creditBytes += bytes;
    this.#say({ t: "call-pull", bytes });
  }

  leave(): void {
    this.#isLeft = true;
    this.#say({ t: "call-leave" });
  }

  #say(message: Tell): void {
    if (this.#isClosed) return;
    if (this.#tell) this.#tell(message);
    else this.#kept.push(message);
  }

  /**
   * Takes what `readCallSay` has let pass. Answers the outcome with which the run is to be ended, where its author's
   * response cannot be sent. Throws ProtocolError where the executor must be killed for it.
   */
  receive(say: CallSay): AttemptOutcome | undefined {
    switch (say.t) {
      case "call-head": {
        if (this.#stage !== "none") throw new ProtocolError("a second head of a response");
        const head = toResponseHead(say.head);
        if (!head) return NOT_SENDABLE;
        this.#stage = "head";
        this.#call.onHead(head);
        return undefined;
      }
      case "call-data": {
        if (this.#stage !== "head") throw new ProtocolError("a chunk outside of its response");
        const bytes = Buffer.from(say.base64, "base64");
        this.#creditBytes -= bytes.length;
        if (this.#creditBytes < 0) throw new ProtocolError("more of a response's body than was granted");
        this.#call.onData(bytes);
        return undefined;
      }
      case "call-end":
        if (this.#stage !== "head") throw new ProtocolError("an end outside of its response");
        this.#stage = "ended";
        this.#call.onEnd();
        return undefined;
      case "call-pull":
        this.#fedBytes -= say.bytes;
        if (this.#fedBytes < 0) throw new ProtocolError("a grant of more than was fed");
        this.#call.onPull(say.bytes);
        return undefined;
      default:
        return say satisfies never;
    }
  }

  /** The run's outcome as its caller gets it: a success is a response that can be sent, or the size of one that was. */
  judge(outcome: AttemptOutcome): AttemptOutcome {
    if (outcome.kind !== "succeeded") return outcome;
    const result = outcome.result as { body?: unknown; bodyBytes?: unknown } | null;
    if (this.#stage === "none" && typeof result?.body === "string") {
      const head = toResponseHead(result);
      return head ? succeeded({ ...head, body: result.body } as unknown as Json) : NOT_SENDABLE;
    }
    const isComplete = this.#stage === "ended" || this.#isLeft;
    return isComplete && Number.isSafeInteger(result?.bodyBytes) ? outcome : NOT_SENDABLE;
  }
}
