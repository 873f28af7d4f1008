/**
 * The request body of one fetch, between the executor and the socket.
 *
 * open (chunks come, against credit) → ended (no more come, the rest is read) → closed (nobody reads it any more:
 * what still comes is counted and dropped).
 */
import { FETCH_CHUNK_BYTES, FETCH_WINDOW_BYTES } from "../../protocol/fetch-messages.ts";
import { ProtocolError } from "./protocol-error.ts";

/** Small chunks are gathered in blocks of this size: by themselves each would cost more than it holds. */
const BLOCK_BYTES = 16_384;

export class RequestUpload implements AsyncIterable<Uint8Array> {
  readonly #grant: (bytes: number) => void;
  readonly #mayGrant: () => Promise<void>;
  #state: "open" | "ended" | "closed" = "open";
  #creditBytes = FETCH_WINDOW_BYTES;
  /** Taken, and not granted again yet. */
  #takenBytes = 0;
  #isGranting = false;
  #blocks: Buffer[] = [];
  /** Room behind the last block, which ends where this begins. */
  #room = Buffer.alloc(0);
  #wake = () => {};

  /**
   * @param grant tells the executor that it may send so many bytes more
   * @param mayGrant resolves when it listens: what it does not read must not pile up
   */
  constructor(grant: (bytes: number) => void, mayGrant: () => Promise<void>) {
    this.#grant = grant;
    this.#mayGrant = mayGrant;
  }

  /** Throws ProtocolError beyond the credit, and after the end. */
  push(chunk: Buffer): void {
    if (this.#state === "ended") throw new ProtocolError("a chunk after the end of its body");
    this.#creditBytes -= chunk.length;
    if (this.#creditBytes < 0) throw new ProtocolError("more of a request's body than was granted");
    if (this.#state === "closed" || chunk.length === 0) return;
    this.#keep(chunk);
    this.#wake();
  }

  end(): void {
    if (this.#state === "ended") throw new ProtocolError("a second end of a body");
    if (this.#state === "open") this.#state = "ended";
    this.#wake();
  }

  close(): void {
    this.#state = "closed";
    this.#blocks = [];
    this.#room = Buffer.alloc(0);
    this.#wake();
  }

  /**
   * All of it, for a body that should have so many bytes, which must fit into the credit; of one that turns out
   * longer, what has come. Undefined when it was closed before.
   */
  async whole(expectedBytes: number): Promise<Buffer | undefined> {
    const isShort = () => FETCH_WINDOW_BYTES - this.#creditBytes <= expectedBytes;
    while (this.#state === "open" && isShort()) await this.#change();
    return this.#state === "closed" ? undefined : Buffer.concat(this.#blocks.splice(0));
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: async () => {
        while (this.#blocks.length === 0 && this.#state === "open") await this.#change();
        const value = this.#take();
        return value ? { done: false, value } : { done: true, value: undefined };
      },
      return: async () => {
        this.close();
        return { done: true, value: undefined };
      },
    };
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #keep(chunk: Buffer): void {
    if (chunk.length >= BLOCK_BYTES) {
      this.#blocks.push(chunk);
      this.#room = Buffer.alloc(0);
      return;
    }
    if (chunk.length > this.#room.length) {
      this.#room = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#blocks.push(this.#room.subarray(0, 0));
    }
    chunk.copy(this.#room);
    const last = this.#blocks.pop()!;
    this.#blocks.push(Buffer.from(last.buffer, last.byteOffset, last.length + chunk.length));
    this.#room = this.#room.subarray(chunk.length);
  }

  #take(): Buffer | undefined {
    const block = this.#blocks.shift();
    if (!block) return undefined;
    if (this.#blocks.length === 0) this.#room = Buffer.alloc(0);
    this.#takenBytes += block.length;
    if (this.#takenBytes >= FETCH_CHUNK_BYTES && !this.#isGranting) void this.#grantTaken();
    return block;
  }

  async #grantTaken(): Promise<void> {
    this.#isGranting = true;
    await this.#mayGrant();
    this.#isGranting = false;
    if (this.#state !== "open") return;
    this.#creditBytes += this.#takenBytes;
    this.#grant(this.#takenBytes);
    this.#takenBytes = 0;
  }
}
