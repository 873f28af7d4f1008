/** The parts used of packages that bring no types, and of what modules share. */
declare module "internal:services" {
  import type { NodeServices } from "../services.ts";

  const services: NodeServices;
  export default services;
}
declare module "internal:stubs" {
  const stubs: { stub(what: string): () => unknown };
  export default stubs;
}
declare module "internal:async-functions";
declare module "internal:parse-args" {
  const parseArgs: typeof import("./internal/parse-args.ts").default;
  export default parseArgs;
}
declare module "internal:comparisons" {
  const comparisons: Record<"isDeepEqual" | "isDeepStrictEqual", (a: unknown, b: unknown) => boolean>;
  export default comparisons;
}
declare module "assert/build/internal/util/comparisons.js" {
  const comparisons: Record<"isDeepEqual" | "isDeepStrictEqual", (a: unknown, b: unknown) => boolean>;
  export default comparisons;
}
declare module "assert/build/assert.js" {
  const assert: object;
  export default assert;
}
declare module "path-browserify" {
  const path: Record<string, unknown>;
  export default path;
}
declare module "readable-stream/lib/stream.js" {
  import type stream from "node:stream";

  const Stream: typeof stream;
  export default Stream;
}
declare module "string_decoder/lib/string_decoder.js" {
  export const StringDecoder: unknown;
}
declare module "events/events.js" {
  import type { EventEmitter } from "node:events";

  const Emitter: typeof EventEmitter;
  export default Emitter;
}
declare module "internal:hashes" {
  import type { CHash } from "@noble/hashes/utils.js";

  const hashes: { hashOf(name: string): CHash; names: string[] };
  export default hashes;
}
declare module "internal:ciphers" {
  const ciphers: typeof import("./internal/ciphers.ts").default;
  export default ciphers;
}
