import { type FetchAsk, type FetchReply, MAX_FETCHES_AT_ONCE } from "../../protocol/fetch-messages.ts";
import { FetchCall } from "./fetch-call.ts";
import { FetchRefused } from "./fetch-failure.ts";
import { ProtocolError } from "./protocol-error.ts";
import type { RunFetchesOptions } from "./run-fetches-options.ts";

/**
 * The fetches of one run, on the worker's side. Its memory is bounded whatever the executor says: so many fetches at
 * once, a window each way, and nothing sent to an executor that does not read but what is asked for once.
 *
 * open → closed, with the run; a closed one says nothing more.
 */
export class RunFetches {
  readonly #options: RunFetchesOptions;
  readonly #sendFrame: RunFetchesOptions["send"];
  readonly #calls = new Map<number, FetchCall>();
  #lastNo = 0;
  #requests = 0;
  #isClosed = false;
  /** Settles when the executor reads again; undefined while it does. */
  #drained: Promise<void> | undefined;

  constructor(options: RunFetchesOptions) {
    this.#sendFrame = options.send;
    this.#options = { ...options, send: (reply) => this.#send(reply) };
  }

  /** Fetches under way. */
  get count(): number {
    return this.#calls.size;
  }

  /** An ask that `readFetchAsk` has let pass. Throws ProtocolError where the executor must be killed for it. */
  receive(ask: FetchAsk): void {
    if (this.#isClosed) return;
    if (ask.t === "fetch") this.#begin(ask);
    else if (ask.no > this.#lastNo) throw new ProtocolError("a word about a fetch that was not begun");
    // One that is over already: the executor did not know when it sent this.
    else this.#calls.get(ask.no)?.receive(ask);
  }

  /** The run is over: so are its fetches, without another word. */
  close(): void {
    this.#isClosed = true;
    for (const call of [...this.#calls.values()]) call.cancel();
  }

  #begin({ no, head }: Extract<FetchAsk, { t: "fetch" }>): void {
    if (no <= this.#lastNo) throw new ProtocolError("a fetch's number that was there before");
    this.#lastNo = no;
    if (this.#calls.size >= MAX_FETCHES_AT_ONCE) {
      this.#refuse(no);
      return;
    }
    const call = new FetchCall(head, {
      ...this.#options,
      no,
      run: this,
      countRequest: () => this.#countRequest(),
      hasRoom: () => !this.#drained && !this.#options.isCongested(),
      room: () => this.#room(),
      onOver: () => this.#calls.delete(no),
    });
    this.#calls.set(no, call);
    void call.run();
  }

  #refuse(no: number): void {
    // The guest counts them itself; who floods without reading is no guest of ours.
    if (this.#drained) throw new ProtocolError("more fetches than may be under way, and no answer is read");
    const message = `More than ${MAX_FETCHES_AT_ONCE} fetches are under way.`;
    this.#send({ t: "fetch-failed", id: this.#options.runId, no, code: "too_many_fetches", message });
  }

  #countRequest(): void {
    const { subrequests } = this.#options;
    if (this.#requests >= subrequests) {
      throw new FetchRefused(
        "subrequest_limit",
        `A run of this function may make ${subrequests} requests, redirects included, and has made them. ` +
          "Its limit `subrequests` says how many.",
      );
    }
    this.#requests++;
  }

  #send(reply: FetchReply): boolean {
    const hasRoom = this.#sendFrame(reply);
    if (!hasRoom && !this.#drained) {
      this.#drained = this.#options.drained().then(() => {
        this.#drained = undefined;
      });
    }
    return hasRoom;
  }

  async #room(): Promise<void> {
    const { isCongested, drained } = this.#options;
    if (this.#drained || isCongested()) await drained();
  }
}
