import type { ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { messageOf } from "../../../core/errors.ts";
import { FrameDecoder, FrameWriter } from "../../../core/frames.ts";
import {
  type ChildMessage,
  MAX_CHILD_FRAME_BYTES,
  MAX_PARENT_FRAME_BYTES,
  type ParentMessage,
} from "../protocol/messages.ts";
import type { SandboxSettings } from "../settings.ts";
import { spawnExecutor } from "./executor-command.ts";
import { findExecutor, killTree, offerToOom } from "./holding-processes.ts";
import { readChildMessage } from "./read-child-message.ts";

const MAX_STDERR_CHARS = 4_096;
/** How long a pipe may outlive its process: what is in it is read at once. */
const LEFT_PIPES_MS = 200;

export interface ChannelEvents {
  onMessage(message: ChildMessage): void;
  /** The executor sent what it must not; nothing more of it is read. */
  onBroken(reason: string): void;
  /** It wrote to stderr. */
  onSaid(): void;
  /** The pipe takes messages again. */
  onDrained(): void;
  /** The process is gone and all it had sent was read. */
  onGone(code: number | null, signal: string | null): void;
}

/** An executor's process and the pipe to it; believes nothing that comes out of it. */
export class ExecutorChannel {
  readonly #child: ChildProcess;
  /** They do not hold the event loop of the worker, except while the process is being ended. */
  readonly #handles: { ref(): void; unref(): void }[];
  readonly #writer: FrameWriter;
  readonly #events: ChannelEvents;
  #isCongested = false;
  #isBroken = false;
  #isKilled = false;
  #isGone = false;
  #executorPid: number | undefined;
  #stderr = "";

  constructor(settings: SandboxSettings, events: ChannelEvents) {
    this.#events = events;
    const child = (settings.spawn ?? spawnExecutor)(settings);
    this.#child = child;
    const pipe = child.stdio[3] as Socket;
    const stderr = child.stderr as Socket;
    this.#handles = [child, pipe, stderr];
    for (const handle of this.#handles) handle.unref();
    this.#writer = new FrameWriter(pipe, MAX_PARENT_FRAME_BYTES);
    const decoder = new FrameDecoder(MAX_CHILD_FRAME_BYTES, (text) => this.#receive(text));
    pipe.on("data", (chunk: Buffer) => this.#decode(decoder, chunk));
    pipe.on("error", () => {});
    stderr.on("data", (chunk: Buffer) => {
      this.#addStderr(chunk.toString());
      events.onSaid();
    });
    child.once("close", (code, signal) => this.#onGone(code, signal));
    // What it left behind may hold the pipes open: they are closed from this side.
    child.once("exit", () =>
      setTimeout(() => [pipe, stderr].map((end) => end.destroy()), LEFT_PIPES_MS).unref(),
    );
    child.once("error", (error) => {
      this.#addStderr(messageOf(error));
      // Never started: there will be no close.
      if (child.pid === undefined) this.#onGone(null, null);
    });
  }

  /** Of the executor itself once it is ready; before, of the process that starts it. */
  get pid(): number | undefined {
    return this.#executorPid ?? this.#child.pid;
  }

  /** The end of what the process wrote to stderr. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Whether the executor is behind with reading; `onDrained` follows. */
  get isCongested(): boolean {
    return this.#isCongested;
  }

  /** Whether anybody listens. */
  get isOpen(): boolean {
    return !this.#isGone && !this.#isKilled && !this.#isBroken;
  }

  /** False while the executor is behind with reading; the message is taken all the same. Throws FrameTooLargeError. */
  write(message: ParentMessage, payload?: string): boolean {
    if (this.#writer.write(message, payload)) return true;
    if (!this.#isCongested) {
      this.#isCongested = true;
      void this.drained().then(() => {
        this.#isCongested = false;
        this.#events.onDrained();
      });
    }
    return false;
  }

  /** Resolves when the executor reads again, or is gone. */
  drained(): Promise<void> {
    return this.#writer.drained();
  }

  kill(): void {
    if (this.#isGone) return;
    this.#isKilled = true;
    for (const handle of this.#handles) handle.ref();
    const { pid, exitCode, signalCode } = this.#child;
    // An ended child's pid may be another's by now; what it held has ended with it.
    if (pid !== undefined && exitCode === null && signalCode === null)
      killTree(pid, this.#executorPid ?? pid);
  }

  #decode(decoder: FrameDecoder, chunk: Buffer): void {
    if (this.#isBroken) return;
    try {
      decoder.push(chunk);
    } catch (thrown) {
      this.#break(messageOf(thrown));
    }
  }

  #receive(text: string): void {
    if (this.#isBroken) return;
    const message = readChildMessage(text);
    if (message?.t === "ready") this.#findExecutor();
    if (message) this.#events.onMessage(message);
    else this.#break("a message of no known shape");
  }

  /** Before any guest runs in it; once, whatever it says later. */
  #findExecutor(): void {
    if (this.#executorPid !== undefined || this.#child.pid === undefined) return;
    this.#executorPid = findExecutor(this.#child.pid);
    offerToOom(this.#executorPid);
  }

  #break(reason: string): void {
    this.#isBroken = true;
    this.#events.onBroken(reason);
  }

  #addStderr(text: string): void {
    this.#stderr = (this.#stderr + text).slice(-MAX_STDERR_CHARS);
  }

  #onGone(code: number | null, signal: string | null): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#events.onGone(code, signal);
  }
}
