/**
 * The API's connection to one worker, for calls that do not go through the queue: connecting → open → closed. Where it
 * breaks, or is given up, the calls under way are lost: whether they ended, nobody here knows. Where this API closes it,
 * they go on without their callers.
 */
import { type IncomingHttpHeaders, request } from "node:http";
import type { Socket } from "node:net";
import type { CallerStream, EventsOf } from "../../core/contracts/call-stream.ts";
import {
  CALLERS_HEADER,
  type CallAnswer,
  DIRECT_PROTOCOL,
  type DirectAsk,
  type DirectCall,
  type DirectSay,
  INPUTS_AS_PAYLOADS,
  MAX_DIRECT_FRAME_BYTES,
  PAYLOADS_HEADER,
} from "../../core/contracts/direct-call.ts";
import {
  putBodyIntoOutcome,
  takeBodyOfCall,
  takeInputOfCall,
  type WithPayload,
} from "../../core/contracts/direct-payloads.ts";
import { FrameDecoder, FrameWriter, splitFrame, toBase64 } from "../../core/frames.ts";
import type { CallableWorker } from "../../core/store/workers.ts";
import { hashId } from "./choose-worker.ts";

/** Callers of this API whose runs are queued, as a worker asks for them. */
export interface HeldCallers {
  /** The API that the runs' rows name. */
  readonly apiId: string;
  /** Whether the caller of the run is handed over by `hand`. */
  meet(runId: string, hand: HandOver): boolean;
}

/** Gives the worker that asked what it asked for. */
export type HandOver = (call: DirectCall, events: LinkEvents) => CallerStream;

const CONNECT_TIMEOUT_MS = 2_000;
const KEEP_ALIVE_MS = 10_000;

/** What the worker says of a call. `onDone` is the last word; so is `onLost`, also where the connection broke. */
export type LinkEvents = EventsOf<CallAnswer>;

export class WorkerLink {
  readonly worker: CallableWorker;
  readonly #socket: Socket;
  readonly #writer: FrameWriter;
  /** Of the worker's id, as `chooseWorker` takes it. */
  readonly hash: number;
  readonly #calls = new Map<number, { events: LinkEvents; revisionId: string }>();
  readonly #callsByRevision = new Map<string, number>();
  readonly #takesPayloads: boolean;
  readonly #takesInputs: boolean;
  readonly #held: HeldCallers;
  /** It asks for the callers of what it claims from the queue. */
  readonly meetsCallers: boolean;
  #nextNo = 1;

  private constructor(
    worker: CallableWorker,
    socket: Socket,
    { head, headers }: { head: Buffer; headers: IncomingHttpHeaders },
    held: HeldCallers,
    onClosed: () => void,
  ) {
    this.worker = worker;
    this.hash = hashId(worker.id);
    this.#socket = socket;
    this.#takesPayloads = headers[PAYLOADS_HEADER] !== undefined;
    this.#takesInputs = headers[PAYLOADS_HEADER] === INPUTS_AS_PAYLOADS;
    this.meetsCallers = headers[CALLERS_HEADER] !== undefined;
    this.#held = held;
    this.#writer = new FrameWriter(socket, MAX_DIRECT_FRAME_BYTES);
    const decoder = new FrameDecoder(MAX_DIRECT_FRAME_BYTES, (text) => {
      const { json, payload } = splitFrame(text);
      this.#receive(JSON.parse(json) as DirectSay, payload);
    });
    const decode = (chunk: Buffer) => {
      try {
        decoder.push(chunk);
      } catch {
        socket.destroy();
      }
    };
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      onClosed();
      const lost = [...this.#calls.values()];
      this.#forgetCalls();
      for (const { events } of lost) events.onLost();
    });
    socket.on("data", decode);
    if (head.length > 0) decode(head);
  }

  /** Rejects where the worker cannot be reached or does not know its token. */
  static open(worker: CallableWorker, held: HeldCallers, onClosed: () => void): Promise<WorkerLink> {
    return new Promise((resolve, reject) => {
      const asking = request(`http://${worker.address}/`, {
        headers: {
          connection: "Upgrade",
          upgrade: DIRECT_PROTOCOL,
          authorization: `Bearer ${worker.callToken}`,
          [PAYLOADS_HEADER]: "1",
          [CALLERS_HEADER]: held.apiId,
        },
        agent: false,
        timeout: CONNECT_TIMEOUT_MS,
      });
      asking.once("upgrade", ({ headers }, socket: Socket, head) => {
        socket.setTimeout(0);
        resolve(new WorkerLink(worker, socket, { head, headers }, held, onClosed));
      });
      asking.once("response", (response) => {
        response.resume();
        reject(new Error(`the worker answered ${response.statusCode}`));
      });
      asking.once("timeout", () => asking.destroy(new Error("the worker does not answer")));
      asking.once("error", reject);
      asking.end();
    });
  }

  get inFlight(): number {
    return this.#calls.size;
  }

  /** Calls of one revision under way. */
  inFlightOf(revisionId: string): number {
    return this.#callsByRevision.get(revisionId) ?? 0;
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  call(call: DirectCall, events: LinkEvents): CallerStream {
    const no = this.#nextNo++;
    const { revisionId } = call;
    this.#calls.set(no, { events, revisionId });
    this.#callsByRevision.set(revisionId, this.inFlightOf(revisionId) + 1);
    const { message, payload } = this.#takePayloadOf(call);
    this.#say({ t: "call", no, call: message }, payload);
    return {
      data: (bytes) => this.#say({ t: "data", no, base64: toBase64(bytes) }),
      end: () => this.#say({ t: "end", no }),
      pull: (bytes) => this.#say({ t: "pull", no, bytes }),
      leave: (cut) => this.#say({ t: "leave", no, ...(cut ? { cut } : {}) }),
    };
  }

  #takePayloadOf(call: DirectCall): WithPayload<DirectCall> {
    if (call.http) return this.#takesPayloads ? takeBodyOfCall(call) : { message: call, payload: undefined };
    return this.#takesInputs ? takeInputOfCall(call) : { message: call, payload: undefined };
  }

  /** The worker is taken for gone. */
  giveUp(): void {
    this.#socket.destroy();
  }

  /** Nobody here waits for its calls any more. */
  close(): void {
    this.#forgetCalls();
    this.#socket.destroy();
  }

  #say(ask: DirectAsk, payload?: string): void {
    if (!this.#socket.destroyed) this.#writer.write(ask, payload);
  }

  #forgetCalls(): void {
    this.#calls.clear();
    this.#callsByRevision.clear();
  }

  #forgetCall(no: number, revisionId: string): void {
    this.#calls.delete(no);
    const left = this.inFlightOf(revisionId) - 1;
    if (left > 0) this.#callsByRevision.set(revisionId, left);
    else this.#callsByRevision.delete(revisionId);
  }

  #receive(say: DirectSay, payload: string | undefined): void {
    if (say.t === "meet") {
      const isMet = this.#held.meet(say.runId, (call, events) => this.call(call, events));
      if (!isMet) this.#say({ t: "absent", runId: say.runId });
      return;
    }
    const known = this.#calls.get(say.no);
    if (!known) return;
    const { events, revisionId } = known;
    // The last words of a call.
    if (say.t === "refused" || say.t === "done" || say.t === "lost") this.#forgetCall(say.no, revisionId);
    switch (say.t) {
      case "accepted":
        events.onAccepted();
        break;
      case "refused":
        events.onRefused(say.reason);
        break;
      case "head":
        events.onHead(say.head);
        break;
      case "data":
        events.onData(Buffer.from(say.base64, "base64"));
        break;
      case "end":
        events.onEnd();
        break;
      case "pull":
        events.onPull(say.bytes);
        break;
      case "done":
        events.onDone(putBodyIntoOutcome(say.outcome, payload));
        break;
      case "lost":
        events.onLost();
        break;
      default:
        say satisfies never;
    }
  }
}
