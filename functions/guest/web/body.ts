/** Bodies of requests and responses: where their bytes come from, and the methods that read them. */
import { blobBytes, GuestBlob, isBlob } from "./blob.ts";
import { decodeUtf8, decodeUtf8KeepingBom, encodeUtf8 } from "./encoding.ts";
import { fixedLengthOf } from "./fixed-length-stream.ts";
import { type FormEntry, GuestFormData, isFormData } from "./form-data.ts";
import { extractMimeType, type MimeType, serializeMimeType } from "./mime-type.ts";
import { decodeMultipart, encodeMultipart } from "./multipart.ts";
import {
  type ByteStream,
  byteStream,
  GuestReadableStream,
  isDisturbed,
  isReadableStream,
  joinBytes,
  readAll,
} from "./streams.ts";
import { structuredCloneOf } from "./structured-clone.ts";
import { GuestURLSearchParams, isSearchParams } from "./url.ts";
import { copyBytes, isBufferSource, toUsvString } from "./webidl.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Chunks asked for one by one; undefined is the end. */
export interface ByteSource {
  next(): Promise<Bytes | undefined>;
  cancel(reason: unknown): void;
}

/**
 * text, bytes or source → stream, once somebody looks at it → used. A body read whole at once never becomes a stream.
 */
export class Body {
  #text: string | undefined;
  #bytes: Bytes | undefined;
  #source: ByteSource | undefined;
  #stream: ByteStream | undefined;
  #used = false;

  private constructor(bytes?: Bytes, source?: ByteSource, stream?: ByteStream) {
    this.#bytes = bytes;
    this.#source = source;
    this.#stream = stream;
  }

  /** Of a string without lone surrogates: encoded when somebody wants its bytes. */
  static ofText(text: string): Body {
    const body = new Body();
    body.#text = text;
    return body;
  }

  static ofBytes(bytes: Bytes): Body {
    return new Body(bytes);
  }

  static ofSource(source: ByteSource): Body {
    return new Body(undefined, source);
  }

  static ofStream(stream: ByteStream): Body {
    return new Body(undefined, undefined, stream);
  }

  /** Known beforehand, and able to be sent twice. */
  get bytes(): Bytes | undefined {
    if (this.#bytes === undefined && this.#text !== undefined) this.#bytes = encodeUtf8(this.#text);
    return this.#bytes;
  }

  /** What it was made of, where that was text and nobody has looked at its stream. */
  get text(): string | undefined {
    return this.#stream || this.#used ? undefined : this.#text;
  }

  get stream(): ByteStream {
    if (this.#stream) return this.#stream;
    const stream = this.#makeStream();
    this.#stream = stream;
    if (this.#used) {
      const reader = stream.getReader();
      reader.closed.catch(() => {});
      void reader.cancel();
    }
    return stream;
  }

  #makeStream(): ByteStream {
    const source = this.#source;
    if (this.#used) return byteStream(() => undefined);
    if (source) {
      return byteStream(
        () => source.next(),
        (reason) => source.cancel(reason),
      );
    }
    let rest = this.bytes;
    return byteStream(() => {
      const bytes = rest;
      rest = undefined;
      return bytes && bytes.byteLength > 0 ? bytes.slice() : undefined;
    });
  }

  /** How many bytes it has, where that is known before it is read. */
  get length(): number | undefined {
    return this.#stream ? fixedLengthOf(this.#stream) : this.bytes?.byteLength;
  }

  get isUsed(): boolean {
    return this.#used || (this.#stream !== undefined && isDisturbed(this.#stream));
  }

  get isUnusable(): boolean {
    return this.isUsed || (this.#stream?.locked ?? false);
  }

  /** What `text` answers, used up; no bytes are made of it. A byte order mark goes, as in decoding. */
  takeText(): string | undefined {
    const { text } = this;
    if (text === undefined) return undefined;
    this.#used = true;
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }

  /** All of it, once; calls one of the two once. */
  readAll(onDone: (bytes: Bytes) => void, onError: (thrown: unknown) => void): void {
    if (this.#stream) {
      readAll(this.#stream, onDone, onError);
      return;
    }
    this.#used = true;
    const { bytes } = this;
    if (bytes) {
      onDone(bytes.slice());
      return;
    }
    const source = this.#source!;
    const chunks: Bytes[] = [];
    let total = 0;
    const readOn = () => {
      source.next().then((chunk) => {
        if (chunk === undefined) return onDone(joinBytes(chunks, total));
        chunks.push(chunk);
        total += chunk.byteLength;
        readOn();
      }, onError);
    };
    readOn();
  }

  /** Hands its content to somebody who reads it in this one's place. */
  take(): Body {
    const taken = new Body(this.#bytes, this.#source, undefined);
    taken.#text = this.#text;
    if (this.#stream) {
      const reader = this.#stream.getReader();
      taken.#source = sourceOf(reader);
      taken.#bytes = taken.#text = undefined;
    }
    this.#used = true;
    return taken;
  }

  /** Its chunks, for the guest's own code; uses it up. */
  toSource(): ByteSource {
    if (!this.#stream && this.#source) {
      this.#used = true;
      return this.#source;
    }
    return sourceOf(this.stream.getReader());
  }

  cancel(reason: unknown): void {
    if (this.#stream) {
      if (!this.#stream.locked) this.#stream.cancel(reason).catch(() => {});
    } else this.#source?.cancel(reason);
  }

  clone(): Body {
    if (this.bytes && !this.#stream) return new Body(this.bytes);
    const [mine, other] = this.stream.tee() as [ByteStream, ByteStream];
    this.#stream = mine;
    this.#bytes = this.#text = undefined;
    return new Body(undefined, undefined, copying(other));
  }
}

function sourceOf(reader: ReadableStreamDefaultReader<Bytes>): ByteSource {
  return {
    async next() {
      const { done, value } = await reader.read();
      if (done) return undefined;
      if (!(value instanceof Uint8Array)) throw new TypeError("A body's chunk is not a Uint8Array");
      return value;
    },
    cancel(reason) {
      reader.cancel(reason).catch(() => {});
    },
  };
}

/** The branches of a tee share their chunks: one of them gets copies. */
function copying(stream: ByteStream): ByteStream {
  const reader = stream.getReader();
  const source = {
    async pull(controller: ReadableStreamDefaultController<Bytes>) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(structuredCloneOf(value) as Bytes);
    },
    cancel: (reason: unknown) => reader.cancel(reason),
  };
  return new GuestReadableStream(source, { highWaterMark: 0 });
}

/** A body of what authors give as one, and the content type that goes with it. */
export function extractBody(
  object: unknown,
  random: () => string,
  keepalive = false,
): { body: Body; type: string | undefined } {
  if (isReadableStream(object)) {
    if (keepalive) throw new TypeError("A stream cannot be sent with keepalive");
    if (isDisturbed(object) || object.locked)
      throw new TypeError("The body's stream is locked or was read from");
    return { body: Body.ofStream(object), type: undefined };
  }
  if (isBlob(object)) return { body: Body.ofBytes(blobBytes(object)), type: object.type || undefined };
  if (isBufferSource(object)) return { body: Body.ofBytes(copyBytes(object)), type: undefined };
  if (isFormData(object)) {
    const { body, boundary } = encodeMultipart(object, random());
    return { body: Body.ofBytes(body), type: `multipart/form-data; boundary=${boundary}` };
  }
  if (isSearchParams(object)) {
    const bytes = encodeUtf8(GuestURLSearchParams.prototype.toString.call(object));
    return { body: Body.ofBytes(bytes), type: "application/x-www-form-urlencoded;charset=UTF-8" };
  }
  return { body: Body.ofText(toUsvString(object)), type: "text/plain;charset=UTF-8" };
}

export interface BodyHolder {
  readonly body: Body | null;
  readonly contentType: string | null;
}

function toForm(bytes: Bytes, mimeType: MimeType | undefined): GuestFormData {
  if (mimeType?.essence === "multipart/form-data") {
    const boundary = mimeType.parameters.get("boundary");
    const form = boundary === undefined ? undefined : decodeMultipart(bytes, boundary);
    if (!form) throw new TypeError("The body is not valid multipart/form-data");
    return form;
  }
  if (mimeType?.essence !== "application/x-www-form-urlencoded") {
    throw new TypeError("The body's content type is not that of a form");
  }
  const form = new GuestFormData();
  const params = new GuestURLSearchParams(decodeUtf8KeepingBom(bytes)) as unknown as Iterable<FormEntry>;
  for (const [name, value] of params) form.append(name, value);
  return form;
}

/** The mixin's members. `holderOf` throws TypeError on a foreign object. */
export function defineBody<T extends object>(
  interfaceClass: abstract new (...args: never[]) => T,
  holderOf: (self: T) => BodyHolder,
): void {
  const consume = <R>(
    self: T,
    convert: (bytes: Bytes, holder: BodyHolder) => R,
    convertText?: (text: string) => R,
  ): Promise<R> =>
    new Promise((resolve, reject) => {
      const holder = holderOf(self);
      const { body } = holder;
      if (body?.isUnusable) throw new TypeError("The body was already read, or is being read");
      const text = convertText && body?.takeText();
      if (text !== undefined) {
        resolve(convertText!(text));
        return;
      }
      const finish = (bytes: Bytes) => {
        try {
          resolve(convert(bytes, holder));
        } catch (thrown) {
          reject(thrown);
        }
      };
      if (body) body.readAll(finish, reject);
      else finish(new Uint8Array(0));
    });
  const members = {
    get body() {
      return holderOf(this as unknown as T).body?.stream ?? null;
    },
    get bodyUsed() {
      return holderOf(this as unknown as T).body?.isUsed ?? false;
    },
    arrayBuffer(this: T) {
      return consume(this, (bytes) => bytes.buffer);
    },
    blob(this: T) {
      return consume(this, (bytes, { contentType }) => {
        const mimeType = extractMimeType(contentType);
        return new GuestBlob([bytes], { type: mimeType ? serializeMimeType(mimeType) : "" });
      });
    },
    bytes(this: T) {
      return consume(this, (bytes) => bytes);
    },
    formData(this: T) {
      return consume(this, (bytes, { contentType }) => toForm(bytes, extractMimeType(contentType)));
    },
    json(this: T) {
      return consume(
        this,
        (bytes) => JSON.parse(decodeUtf8(bytes)) as unknown,
        (text) => JSON.parse(text) as unknown,
      );
    },
    text(this: T) {
      return consume(this, decodeUtf8, (text) => text);
    },
  };
  for (const [key, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(members))) {
    Object.defineProperty(interfaceClass.prototype, key, descriptor);
  }
}
