/** node:stream: readable-stream, and the bridges to the platform's streams that it leaves out. */
import Stream from "readable-stream/lib/stream.js";

type NodeReadable = InstanceType<typeof Stream.Readable>;
type NodeWritable = InstanceType<typeof Stream.Writable>;
type Options = Record<string, unknown>;

function readableFromWeb(web: ReadableStream<unknown>, options: Options = {}): NodeReadable {
  const reader = web.getReader();
  return new Stream.Readable({
    objectMode: false,
    ...options,
    read(this: NodeReadable) {
      reader.read().then(
        ({ value, done }) => this.push(done ? null : value),
        (error) => this.destroy(error as Error),
      );
    },
    destroy(error: Error | null, callback: (error: Error | null) => void) {
      reader.cancel(error).then(
        () => callback(error),
        () => callback(error),
      );
    },
  });
}

function readableToWeb(source: NodeReadable): ReadableStream<unknown> {
  source.pause();
  return new ReadableStream({
    start(controller) {
      source.on("data", (chunk) => {
        // The platform's consumers take bytes, and know no Buffer.
        const isBytes = chunk instanceof Uint8Array;
        controller.enqueue(
          isBytes ? new Uint8Array(chunk.buffer as ArrayBuffer, chunk.byteOffset, chunk.byteLength) : chunk,
        );
        if ((controller.desiredSize ?? 0) <= 0) source.pause();
      });
      // Knows of one that has ended, or was destroyed, before.
      Stream.finished(source, { writable: false }, (error?: Error | null) => {
        if (error) controller.error(error);
        else controller.close();
      });
      source.pause();
    },
    pull() {
      source.resume();
    },
    cancel(reason) {
      source.destroy(reason instanceof Error ? reason : undefined);
    },
  });
}

function writableFromWeb(web: WritableStream<unknown>, options: Options = {}): NodeWritable {
  const writer = web.getWriter();
  const settle = (work: Promise<unknown>, callback: (error?: Error | null) => void) => {
    work.then(
      () => callback(),
      (error) => callback(error as Error),
    );
  };
  return new Stream.Writable({
    ...options,
    write: (chunk, _encoding, callback) => settle(writer.write(chunk), callback),
    final: (callback) => settle(writer.close(), callback),
    destroy: (error, callback) =>
      error ? settle(writer.abort(error), () => callback(error)) : callback(null),
  });
}

function writableToWeb(target: NodeWritable): WritableStream<unknown> {
  return new WritableStream({
    start(controller) {
      target.once("error", (error) => controller.error(error));
    },
    write: (chunk) =>
      new Promise<void>((resolve, reject) => {
        target.write(chunk, (error) => (error ? reject(error) : resolve()));
      }),
    close: () => new Promise<void>((resolve) => void target.end(() => resolve())),
    abort: (reason) => void target.destroy(reason instanceof Error ? reason : undefined),
  });
}

Object.assign(Stream.Readable, { fromWeb: readableFromWeb, toWeb: readableToWeb });
Object.assign(Stream.Writable, { fromWeb: writableFromWeb, toWeb: writableToWeb });
Object.assign(Stream.Duplex, {
  toWeb: (duplex: InstanceType<typeof Stream.Duplex>) => ({
    readable: readableToWeb(duplex),
    writable: writableToWeb(duplex as unknown as NodeWritable),
  }),
});

export default Stream;
