import type { Writable } from "node:stream";

/**
 * Frames between a worker and its executor, or an API: four bytes of length, little endian, then so many bytes of text. That
 * is a message as JSON, on one line, and may have a payload behind it: a text that goes as it is, where JSON would have to
 * escape it once for each process on its way. Imported by both sides; it may import nothing else of the project.
 */
const HEADER_BYTES = 4;
/** `JSON.stringify` writes none. */
const PAYLOAD_MARK = "\n";

export class FrameTooLargeError extends Error {
  constructor(bytes: number, maxBytes: number) {
    super(`A frame of ${bytes} bytes passes the limit of ${maxBytes}.`);
    this.name = "FrameTooLargeError";
  }
}

interface Frame {
  text: string;
  bytes: number;
}

function toFrame(message: object, maxBytes: number, payload: string | undefined): Frame {
  const json = JSON.stringify(message);
  const text = payload === undefined ? json : `${json}${PAYLOAD_MARK}${payload}`;
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) throw new FrameTooLargeError(bytes, maxBytes);
  return { text, bytes };
}

/** Throws FrameTooLargeError. */
export function encodeFrame(message: object, maxBytes: number, payload?: string): Buffer {
  const frame = toFrame(message, maxBytes, payload);
  return encodeFrames([frame], HEADER_BYTES + frame.bytes);
}

function encodeFrames(frames: readonly Frame[], totalBytes: number): Buffer {
  const encoded = Buffer.allocUnsafe(totalBytes);
  let offset = 0;
  for (const { text, bytes } of frames) {
    encoded.writeUInt32LE(bytes, offset);
    encoded.write(text, offset + HEADER_BYTES);
    offset += HEADER_BYTES + bytes;
  }
  return encoded;
}

export interface FrameParts {
  /** Of the message. */
  json: string;
  payload: string | undefined;
}

export function splitFrame(text: string): FrameParts {
  const end = text.indexOf(PAYLOAD_MARK);
  return end < 0
    ? { json: text, payload: undefined }
    : { json: text.slice(0, end), payload: text.slice(end + PAYLOAD_MARK.length) };
}

/**
 * Cuts a byte stream into frames. A length beyond `maxBytes` is refused when its four bytes are there, before
 * anything is kept for it; after a throw the stream is lost and must be closed.
 */
export class FrameDecoder {
  readonly #maxBytes: number;
  readonly #onFrame: (text: string) => void;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  /** The frame under way where it does not lie in one chunk. */
  #body: Buffer | undefined;
  #bodyBytes = 0;

  constructor(maxBytes: number, onFrame: (text: string) => void) {
    this.#maxBytes = maxBytes;
    this.#onFrame = onFrame;
  }

  /** Throws FrameTooLargeError. */
  push(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#body) {
        offset += this.#fillBody(this.#body, chunk, offset);
        continue;
      }
      const taken = Math.min(HEADER_BYTES - this.#headerBytes, chunk.length - offset);
      chunk.copy(this.#header, this.#headerBytes, offset, offset + taken);
      this.#headerBytes += taken;
      offset += taken;
      if (this.#headerBytes === HEADER_BYTES) offset = this.#beginBody(chunk, offset);
    }
  }

  #beginBody(chunk: Buffer, offset: number): number {
    this.#headerBytes = 0;
    const bytes = this.#header.readUInt32LE(0);
    if (bytes > this.#maxBytes) throw new FrameTooLargeError(bytes, this.#maxBytes);
    const end = offset + bytes;
    if (end <= chunk.length) {
      this.#onFrame(chunk.toString("utf8", offset, end));
      return end;
    }
    this.#body = Buffer.allocUnsafe(bytes);
    this.#bodyBytes = 0;
    return offset;
  }

  #fillBody(body: Buffer, chunk: Buffer, offset: number): number {
    const taken = chunk.copy(body, this.#bodyBytes, offset);
    this.#bodyBytes += taken;
    if (this.#bodyBytes === body.length) {
      this.#body = undefined;
      this.#onFrame(body.toString("utf8"));
    }
    return taken;
  }
}

/** For so many turns of the event loop, and so long, a frame waits for others while each turn brings some. */
const GATHER_TURNS = 8;
const GATHER_MS = 1;
/** More than this goes at once. */
const GATHER_BYTES = 65_536;
/** After so many that came alone, each later than a frame may wait, the next is sent at once. */
const LONE_FRAMES = 8;

/**
 * Writes frames to a stream, those of a burst in one piece: a write costs more than a frame does, above all where it wakes
 * the other side. Where the last ones came alone the next does not wait: a caller that waits for each answer makes no bursts.
 */
export class FrameWriter {
  readonly #stream: Writable;
  readonly #maxBytes: number;
  #frames: Frame[] = [];
  #frameBytes = 0;
  /** How many of the frames had come a turn before, and for how many turns others have. */
  #gathered = 0;
  #turns = 0;
  #sinceMs = 0;
  /** How many of the last frames came alone. */
  #loneFrames = 0;
  readonly #nowMs: () => number;
  /** Shared by all who wait. */
  #drained: Promise<void> | undefined;

  constructor(stream: Writable, maxBytes: number, nowMs = () => performance.now()) {
    this.#stream = stream;
    this.#maxBytes = maxBytes;
    this.#nowMs = nowMs;
  }

  /** Bytes that the other side has not yet taken. */
  get waitingBytes(): number {
    return this.#frameBytes + this.#stream.writableLength;
  }

  /** False once the stream asks to wait for `drained()`; the frame is taken all the same. Throws FrameTooLargeError. */
  write(message: object, payload?: string): boolean {
    const frame = toFrame(message, this.#maxBytes, payload);
    this.#frames.push(frame);
    this.#frameBytes += HEADER_BYTES + frame.bytes;
    if (this.#frames.length === 1) this.#begin(this.#nowMs());
    return this.waitingBytes < this.#stream.writableHighWaterMark;
  }

  #begin(nowMs: number): void {
    if (nowMs - this.#sinceMs < GATHER_MS) this.#loneFrames = 0;
    this.#sinceMs = nowMs;
    if (this.#loneFrames >= LONE_FRAMES) this.flush();
    // Once the events of this turn are through: what they all have to say travels together.
    else setImmediate(this.#gather);
  }

  readonly #gather = (): void => {
    const count = this.#frames.length;
    const isBurst = count > this.#gathered && this.#frameBytes < GATHER_BYTES;
    const mayWait = this.#turns < GATHER_TURNS && this.#nowMs() - this.#sinceMs < GATHER_MS;
    if (!isBurst || !mayWait) {
      this.flush();
      return;
    }
    this.#gathered = count;
    this.#turns++;
    setImmediate(this.#gather);
  };

  /** Hands what waits to the stream now. */
  flush(): void {
    if (this.#frames.length === 0) return;
    const encoded = encodeFrames(this.#frames, this.#frameBytes);
    this.#loneFrames = this.#frames.length === 1 ? this.#loneFrames + 1 : 0;
    this.#frames = [];
    this.#frameBytes = this.#gathered = this.#turns = 0;
    if (!this.#stream.destroyed) this.#stream.write(encoded);
  }

  /** Resolves when the stream takes more, or is gone. */
  drained(): Promise<void> {
    this.#drained ??= this.#nextDrain().finally(() => {
      this.#drained = undefined;
    });
    return this.#drained;
  }

  #nextDrain(): Promise<void> {
    this.flush();
    const stream = this.#stream;
    if (!stream.writableNeedDrain || stream.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = () => {
        stream.off("drain", finish);
        stream.off("close", finish);
        resolve();
      };
      stream.once("drain", finish);
      stream.once("close", finish);
    });
  }
}

/** Bytes as a frame carries them; they are not copied. */
export function toBase64({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}
