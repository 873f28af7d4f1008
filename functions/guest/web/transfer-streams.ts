/** Streams that move to a new owner by structuredClone or a message: the new one reads or writes the old one. */
import {
  GuestReadableStream,
  GuestTransformStream,
  GuestWritableStream,
  isReadableStream,
} from "./streams.ts";
import { registerTransfer } from "./structured-clone.ts";

function moveReadable(old: ReadableStream): ReadableStream {
  const reader = old.getReader();
  return new GuestReadableStream(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function moveWritable(old: WritableStream): WritableStream {
  const writer = old.getWriter();
  return new GuestWritableStream(
    {
      write: (chunk) => writer.write(chunk),
      close: () => writer.close(),
      abort: (reason) => writer.abort(reason),
    },
    { highWaterMark: 1 },
  );
}

function isWritableStream(value: unknown): value is WritableStream {
  return value instanceof GuestWritableStream;
}

function isTransformStream(value: unknown): value is TransformStream {
  return value instanceof GuestTransformStream;
}

const LOCKED = "is locked";

export function installStreamTransfer(): void {
  registerTransfer({
    is: isReadableStream,
    hindrance: (stream) => ((stream as ReadableStream).locked ? LOCKED : undefined),
    move: (stream) => moveReadable(stream as ReadableStream),
  });
  registerTransfer({
    is: isWritableStream,
    hindrance: (stream) => ((stream as WritableStream).locked ? LOCKED : undefined),
    move: (stream) => moveWritable(stream as WritableStream),
  });
  registerTransfer({
    is: isTransformStream,
    hindrance(stream) {
      const { readable, writable } = stream as TransformStream;
      return readable.locked || writable.locked ? LOCKED : undefined;
    },
    move(stream) {
      const { readable, writable } = stream as TransformStream;
      const moved = Object.create(GuestTransformStream.prototype) as object;
      const sides = { readable: moveReadable(readable), writable: moveWritable(writable) };
      for (const [side, value] of Object.entries(sides)) {
        Object.defineProperty(moved, side, { value, configurable: true });
      }
      return moved;
    },
  });
}
