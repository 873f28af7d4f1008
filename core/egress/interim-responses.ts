/**
 * Leaves interim responses (100, 103 and their like) out of what is read of a socket: nothing of ours asks for them, and
 * undici takes a `100 Continue`, which some servers send unasked, for a broken answer.
 *
 * idle → status line, when a request goes out → the rest of an interim head, whose end is the next status line; idle
 * again once the status line is the answer's. 101 counts as that: what follows it is not HTTP.
 */
import type { Socket } from "node:net";

/** `#` is a digit. */
const INTERIM_STATUS_LINE = "HTTP/1.# 1##";
const [LF, CR] = [0x0a, 0x0d];
const NOTHING = Buffer.alloc(0);

export class InterimResponses {
  #state: "idle" | "status" | "head" = "idle";
  /** What has been read of a status line that may still turn out to be interim. */
  #statusLine = "";
  #isBlankLine = false;

  /** The next bytes are an answer's. */
  expect(): void {
    this.#state = "status";
    this.#statusLine = "";
  }

  /** What is left of the chunk, after what was held back of those before it. */
  pass(chunk: Buffer): Buffer {
    if (this.#state === "idle") return chunk;
    for (let i = 0; i < chunk.length; i++) {
      if (this.#state === "head") {
        this.#readHead(chunk[i]!);
      } else if (this.#isAnswer(chunk[i]!)) {
        this.#state = "idle";
        const begin = i + 1 - this.#statusLine.length;
        if (begin >= 0) return chunk.subarray(begin);
        return Buffer.concat([Buffer.from(this.#statusLine, "latin1"), chunk.subarray(i + 1)]);
      }
    }
    return NOTHING;
  }

  /** Takes the next byte of a status line. True: this is the real answer, not an interim one. */
  #isAnswer(byte: number): boolean {
    const char = String.fromCharCode(byte);
    // Empty lines before a status line are skipped, as parsers do.
    if (this.#statusLine === "" && (byte === CR || byte === LF)) return false;
    const expected = INTERIM_STATUS_LINE[this.#statusLine.length];
    this.#statusLine += char;
    if (expected === "#" ? char < "0" || char > "9" : char !== expected) return true;
    if (this.#statusLine.length < INTERIM_STATUS_LINE.length) return false;
    if (this.#statusLine.endsWith("101")) return true;
    this.#state = "head";
    this.#isBlankLine = false;
    return false;
  }

  #readHead(byte: number): void {
    if (byte === LF) {
      if (this.#isBlankLine) this.expect();
      else this.#isBlankLine = true;
    } else if (byte !== CR) {
      this.#isBlankLine = false;
    }
  }
}

/** Stands between the socket and who reads it by `read()`, as undici does. */
export function skipInterimResponses(socket: Socket): InterimResponses {
  const interim = new InterimResponses();
  const read = socket.read.bind(socket);
  socket.read = (size?: number): unknown => {
    for (;;) {
      const chunk: unknown = read(size);
      if (!Buffer.isBuffer(chunk)) return chunk;
      const left = interim.pass(chunk);
      if (left.length > 0) return left;
    }
  };
  return interim;
}
