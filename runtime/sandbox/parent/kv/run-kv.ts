/** The key-value asks of one run, on the worker's side: so many at once, whatever the executor says. */

import type { KeyValueAnswerer } from "../../invocation.ts";
import type { KvAsk, KvReply } from "../../protocol/kv-messages.ts";
import { MAX_KV_ASKS_AT_ONCE } from "../../protocol/kv-messages.ts";
import { ProtocolError } from "../fetch/protocol-error.ts";

const UNAVAILABLE = JSON.stringify({
  error: { code: "kv_unavailable", message: "Functions have no key-value store here." },
});

/** open → closed, with the run; a closed one says nothing more. */
export class RunKv {
  readonly #answer: KeyValueAnswerer;
  readonly #send: (reply: KvReply) => void;
  #underWay = 0;
  #isClosed = false;

  constructor(answer: KeyValueAnswerer | undefined, send: (reply: KvReply) => void) {
    this.#answer = answer ?? (() => Promise.resolve(UNAVAILABLE));
    this.#send = send;
  }

  /** Throws ProtocolError where the executor must be killed for it: the guest counts for itself. */
  receive({ id, no, ask }: KvAsk): void {
    if (this.#isClosed) return;
    if (this.#underWay >= MAX_KV_ASKS_AT_ONCE)
      throw new ProtocolError("more key-value asks than may be under way");
    this.#underWay++;
    void this.#answer(ask).then((answer) => {
      this.#underWay--;
      if (!this.#isClosed) this.#send({ t: "kv", id, no, answer });
    });
  }

  close(): void {
    this.#isClosed = true;
  }
}
