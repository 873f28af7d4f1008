/** Blob and File of the File API, and the blob: URLs of one run. */
import { decodeUtf8, encodeUtf8 } from "./encoding.ts";
import { byteStream, joinBytes } from "./streams.ts";
import {
  clampLongLong,
  copyBytes,
  defineInterface,
  isBufferSource,
  isObject,
  requireArguments,
  toDictionary,
  toEnum,
  toLongLong,
  toSequence,
  toUsvString,
} from "./webidl.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const STREAM_CHUNK_BYTES = 65_536;

/** Makes a Blob of chunks that nobody writes to any more. */
let blobOf: (chunks: Bytes[], type: string) => GuestBlob;
export let isBlob: (value: unknown) => value is GuestBlob;
/** All bytes of it; not to be written to. */
export let blobBytes: (blob: GuestBlob) => Bytes;

export class GuestBlob {
  #chunks: Bytes[];
  #size: number;
  #type: string;

  constructor(parts: unknown = [], options: unknown = {}) {
    const sequence = parts === undefined ? [] : toSequence(parts, "The blob's parts", toPart);
    const { endings, type = "" } = toDictionary(options, "The blob's options");
    const ends =
      endings === undefined ? "transparent" : toEnum(endings, ["transparent", "native"], "endings");
    const given = toUsvString(type);
    this.#chunks = sequence.flatMap((part) => toChunks(part, ends === "native"));
    this.#size = this.#chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    this.#type = /^[\x20-\x7e]*$/.test(given) ? given.toLowerCase() : "";
  }

  get size() {
    return this.#size;
  }
  get type() {
    return this.#type;
  }

  slice(start: unknown = 0, end?: unknown, contentType: unknown = "") {
    const size = this.#size;
    const from = relative(clampLongLong(start), size);
    const to = end === undefined ? size : relative(clampLongLong(end), size);
    const type = toUsvString(contentType);
    const chunks: Bytes[] = [];
    let at = 0;
    for (const chunk of this.#chunks) {
      const piece = chunk.subarray(Math.max(from - at, 0), Math.max(to - at, 0));
      if (piece.byteLength > 0) chunks.push(piece);
      at += chunk.byteLength;
    }
    return blobOf(chunks, /^[\x20-\x7e]*$/.test(type) ? type.toLowerCase() : "");
  }

  stream() {
    const chunks = this.#chunks;
    let index = 0;
    let offset = 0;
    return byteStream(() => {
      const chunk = chunks[index];
      if (chunk === undefined) return undefined;
      const piece = chunk.slice(offset, offset + STREAM_CHUNK_BYTES);
      offset += piece.byteLength;
      if (offset >= chunk.byteLength) {
        index++;
        offset = 0;
      }
      return piece;
    });
  }

  async arrayBuffer() {
    return joinBytes(this.#chunks, this.#size).buffer;
  }
  async text() {
    return decodeUtf8(joinBytes(this.#chunks, this.#size));
  }
  async bytes() {
    return joinBytes(this.#chunks, this.#size);
  }

  static {
    isBlob = (value): value is GuestBlob => isObject(value) && #chunks in value;
    blobBytes = (blob) =>
      blob.#chunks.length === 1 ? blob.#chunks[0]! : joinBytes(blob.#chunks, blob.#size);
    blobOf = (chunks, type) => {
      const blob = new GuestBlob();
      blob.#chunks = chunks;
      blob.#size = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
      blob.#type = type;
      return blob;
    };
  }
}

function relative(position: number, size: number): number {
  return position < 0 ? Math.max(size + position, 0) : Math.min(position, size);
}

type Part = ArrayBuffer | ArrayBufferView<ArrayBuffer> | GuestBlob | string;

function toPart(value: unknown): Part {
  return isBufferSource(value) || isBlob(value) ? value : toUsvString(value);
}

function toChunks(part: Part, nativeEndings: boolean): Bytes[] {
  if (typeof part === "string") {
    return part === "" ? [] : [encodeUtf8(nativeEndings ? part.replace(/\r\n?/g, "\n") : part)];
  }
  const bytes = isBlob(part) ? blobBytes(part) : copyBytes(part);
  return bytes.byteLength > 0 ? [bytes] : [];
}

export let isFile: (value: unknown) => value is GuestFile;

export class GuestFile extends GuestBlob {
  readonly #name: string;
  readonly #lastModified: number;

  constructor(bits: unknown, name: unknown, options: unknown = {}) {
    requireArguments(arguments.length, 2, "File");
    if (bits === undefined) throw new TypeError("The file's parts are not a sequence");
    super(bits, options);
    this.#name = toUsvString(name);
    const { lastModified } = toDictionary(options, "The file's options");
    this.#lastModified = lastModified === undefined ? Date.now() : toLongLong(lastModified);
  }
  get name() {
    return this.#name;
  }
  get lastModified() {
    return this.#lastModified;
  }
  get webkitRelativePath() {
    this.#name;
    return "";
  }

  static {
    isFile = (value): value is GuestFile => isObject(value) && #name in value;
  }
}

/** A File of a Blob's bytes. */
export function fileOf(blob: GuestBlob, name: string, lastModified?: number): GuestFile {
  const options = lastModified === undefined ? { type: blob.type } : { type: blob.type, lastModified };
  return new GuestFile([blob], name, options);
}

const published = new Map<string, GuestBlob>();

export function publishBlob(blob: unknown, id: string): string {
  if (!isBlob(blob)) throw new TypeError("createObjectURL takes a Blob");
  const url = `blob:null/${id}`;
  published.set(url, blob);
  return url;
}

export function findPublishedBlob(url: string): GuestBlob | undefined {
  return published.get(url);
}

export function withdrawBlob(url: string): void {
  published.delete(url);
}

/** Object URLs end with their run. */
export function withdrawAllBlobs(): void {
  published.clear();
}

export function installBlob(): void {
  defineInterface("Blob", GuestBlob);
  defineInterface("File", GuestFile);
}
