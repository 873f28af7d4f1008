/** node:stream/web: the platform's own. */
const NAMES = [
  ...[
    "ReadableStream",
    "ReadableStreamDefaultReader",
    "ReadableStreamBYOBReader",
    "ReadableStreamBYOBRequest",
  ],
  ...["ReadableByteStreamController", "ReadableStreamDefaultController", "TransformStream"],
  ...["TransformStreamDefaultController", "WritableStream", "WritableStreamDefaultWriter"],
  ...["WritableStreamDefaultController", "ByteLengthQueuingStrategy", "CountQueuingStrategy"],
  ...["TextEncoderStream", "TextDecoderStream", "CompressionStream", "DecompressionStream"],
];

export default Object.fromEntries(
  NAMES.map((name) => [name, (globalThis as unknown as Record<string, unknown>)[name]]),
);
