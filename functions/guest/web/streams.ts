/** The streams standard's classes, as web-streams-polyfill implements them. */
import {
  ByteLengthQueuingStrategy,
  CountQueuingStrategy,
  ReadableByteStreamController,
  ReadableStream,
  ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest,
  ReadableStreamDefaultController,
  ReadableStreamDefaultReader,
  TransformStream,
  TransformStreamDefaultController,
  WritableStream,
  WritableStreamDefaultController,
  WritableStreamDefaultWriter,
} from "web-streams-polyfill";
import { defineGlobal, notePlatformClass } from "./webidl.ts";

export type ByteStream = globalThis.ReadableStream<Uint8Array<ArrayBuffer>>;
type ByteController = globalThis.ReadableByteStreamController;

export const GuestReadableStream = ReadableStream as unknown as typeof globalThis.ReadableStream;
export const GuestWritableStream = WritableStream as unknown as typeof globalThis.WritableStream;
export const GuestTransformStream = TransformStream as unknown as typeof globalThis.TransformStream;

export function isReadableStream(value: unknown): value is ByteStream {
  return value instanceof (ReadableStream as unknown as typeof globalThis.ReadableStream);
}

/** Whether it was read from or cancelled. */
export function isDisturbed(stream: ByteStream): boolean {
  return (stream as unknown as { _disturbed: boolean })._disturbed;
}

/** A byte stream that asks for its chunks one by one; `next` answers undefined at the end. */
export function byteStream(
  next: () => Uint8Array<ArrayBuffer> | undefined | Promise<Uint8Array<ArrayBuffer> | undefined>,
  cancel?: (reason: unknown) => void | Promise<void>,
): ByteStream {
  const source = {
    type: "bytes" as const,
    async pull(controller: ByteController) {
      const chunk = await next();
      if (chunk !== undefined && chunk.byteLength > 0) return controller.enqueue(chunk);
      if (chunk !== undefined) return;
      controller.close();
      controller.byobRequest?.respond(0);
    },
    ...(cancel ? { cancel } : {}),
  };
  return new GuestReadableStream(source, { highWaterMark: 0 }) as ByteStream;
}

/** The package's own parts of a stream; its exact version is pinned. */
interface StreamParts {
  _disturbed: boolean;
  _state: "readable" | "closed" | "errored";
  _storedError: unknown;
  _readableStreamController: Record<symbol, (request: ReadRequest) => void>;
}

interface ReadRequest {
  _chunkSteps(chunk: unknown): void;
  _closeSteps(): void;
  _errorSteps(thrown: unknown): void;
}

const pullSteps = Object.getOwnPropertySymbols(ReadableStreamDefaultController.prototype).find(
  ({ description }) => description === "[[PullSteps]]",
)!;

/** A read without a promise for each chunk, which a `then` on Object.prototype could catch. */
function readChunk(stream: ByteStream, request: ReadRequest): void {
  const parts = stream as unknown as StreamParts;
  parts._disturbed = true;
  if (parts._state === "closed") request._closeSteps();
  else if (parts._state === "errored") request._errorSteps(parts._storedError);
  else parts._readableStreamController[pullSteps]!(request);
}

/** Reads all of it; calls one of the two once. A chunk that is no Uint8Array is a TypeError. */
export function readAll(
  stream: ByteStream,
  onDone: (bytes: Uint8Array<ArrayBuffer>) => void,
  onError: (thrown: unknown) => void,
): void {
  const reader = stream.getReader();
  reader.closed.catch(() => {});
  const chunks: Uint8Array[] = [];
  let total = 0;
  let isReading = false;
  let hasCome = false;
  const request: ReadRequest = {
    _chunkSteps(chunk) {
      if (chunk instanceof Uint8Array) {
        chunks.push(chunk);
        total += chunk.byteLength;
        hasCome = true;
        if (!isReading) readOn();
        return;
      }
      const error = new TypeError("A body's chunk is not a Uint8Array");
      reader.cancel(error).catch(() => {});
      onError(error);
    },
    _closeSteps: () => onDone(joinBytes(chunks, total)),
    _errorSteps: onError,
  };
  // A chunk that is there already comes at once: a loop instead of a recursion.
  const readOn = () => {
    isReading = true;
    do {
      hasCome = false;
      readChunk(stream, request);
    } while (hasCome);
    isReading = false;
  };
  readOn();
}

export function joinBytes(chunks: readonly Uint8Array[], total: number): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.byteLength;
  }
  return joined;
}

const asyncIteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}.prototype));

export function installStreams(): void {
  const classes = {
    ReadableStream,
    ReadableStreamDefaultReader,
    ReadableStreamBYOBReader,
    ReadableStreamDefaultController,
    ReadableByteStreamController,
    ReadableStreamBYOBRequest,
    WritableStream,
    WritableStreamDefaultWriter,
    WritableStreamDefaultController,
    TransformStream,
    TransformStreamDefaultController,
    ByteLengthQueuingStrategy,
    CountQueuingStrategy,
  };
  for (const [name, streamClass] of Object.entries(classes)) {
    notePlatformClass(streamClass as unknown as abstract new () => object);
    defineGlobal(name, streamClass);
  }
  // The package makes one of its own where it was built for engines without it.
  const iterator = Object.getPrototypeOf(new GuestReadableStream().values());
  Object.setPrototypeOf(iterator, asyncIteratorPrototype);
}
