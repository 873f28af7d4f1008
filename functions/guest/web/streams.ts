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

/** Reads all of it. Rejects with TypeError on a chunk that is no Uint8Array. */
export async function readAll(stream: ByteStream): Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (!(value instanceof Uint8Array)) {
      const error = new TypeError("A body's chunk is no Uint8Array");
      await reader.cancel(error);
      throw error;
    }
    chunks.push(value);
    total += value.byteLength;
  }
  return joinBytes(chunks, total);
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
  for (const [name, constructor] of Object.entries(classes)) {
    notePlatformClass(constructor as unknown as abstract new () => object);
    defineGlobal(name, constructor);
  }
}
