/** FileReader of the File API, and ProgressEvent. */
import { addTimer } from "../run/timers.ts";
import { encodeBase64 } from "./base64.ts";
import { blobBytes, type GuestBlob, isBlob } from "./blob.ts";
import { domException } from "./dom-exception.ts";
import { decodeAs, decodeIsomorphic } from "./encoding.ts";
import { defineHandler, GuestEventTarget } from "./event-target.ts";
import { GuestEvent, trustedEvent } from "./events.ts";
import { parseMimeType } from "./mime-type.ts";
import { defineConstants, defineInterface, requireArguments, toDictionary, toDomString } from "./webidl.ts";

class GuestProgressEvent extends GuestEvent {
  readonly #lengthComputable: boolean;
  readonly #loaded: number;
  readonly #total: number;

  constructor(type: unknown, init: unknown = {}) {
    requireArguments(arguments.length, 1, "ProgressEvent");
    super(type, init);
    const { lengthComputable, loaded = 0, total = 0 } = toDictionary(init, "The event's init");
    this.#lengthComputable = Boolean(lengthComputable);
    this.#loaded = Number(loaded);
    this.#total = Number(total);
  }
  get lengthComputable() {
    return this.#lengthComputable;
  }
  get loaded() {
    return this.#loaded;
  }
  get total() {
    return this.#total;
  }
}

const STATES = { EMPTY: 0, LOADING: 1, DONE: 2 };
const EVENTS = ["loadstart", "progress", "load", "abort", "error", "loadend"];

type Pack = (bytes: Uint8Array<ArrayBuffer>) => string | ArrayBuffer;

class GuestFileReader extends GuestEventTarget {
  #state = STATES.EMPTY;
  #result: string | ArrayBuffer | null = null;
  #error: Error | null = null;
  /** The reading under way; another one takes its place when it is aborted. */
  #reading: object | undefined;

  readAsArrayBuffer(blob: unknown) {
    this.#read(arguments.length, blob, (bytes) => bytes.slice().buffer);
  }
  readAsBinaryString(blob: unknown) {
    this.#read(arguments.length, blob, decodeIsomorphic);
  }
  readAsText(blob: unknown, encoding: unknown = undefined) {
    const label = encoding === undefined ? undefined : toDomString(encoding);
    this.#read(arguments.length, blob, (bytes) => {
      const charset = parseMimeType((blob as GuestBlob).type)?.parameters.get("charset");
      return decodeAs(bytes, [label, charset]);
    });
  }
  readAsDataURL(blob: unknown) {
    this.#read(arguments.length, blob, (bytes) => {
      const type = (blob as GuestBlob).type || "application/octet-stream";
      return `data:${type};base64,${encodeBase64(decodeIsomorphic(bytes))}`;
    });
  }
  abort() {
    if (this.#state !== STATES.LOADING) {
      this.#result = null;
      return;
    }
    this.#state = STATES.DONE;
    this.#result = null;
    this.#reading = undefined;
    this.#fire("abort", 0, 0);
    if (this.#reading === undefined) this.#fire("loadend", 0, 0);
  }
  get readyState() {
    return this.#state;
  }
  get result() {
    return this.#result;
  }
  get error() {
    return this.#error;
  }

  #read(given: number, blob: unknown, pack: Pack): void {
    requireArguments(given, 1, "FileReader");
    if (!isBlob(blob)) throw new TypeError("A FileReader reads a Blob");
    if (this.#state === STATES.LOADING) throw domException("InvalidStateError", "The reader is reading");
    this.#state = STATES.LOADING;
    this.#result = null;
    this.#error = null;
    const reading = {};
    this.#reading = reading;
    const { size } = blob;
    const task = (act: () => void) => addTimer(() => this.#reading === reading && act(), 0, false);
    task(() => {
      this.#fire("loadstart", 0, size);
      task(() => {
        if (size > 0) this.#fire("progress", size, size);
        task(() => this.#finish(pack(blobBytes(blob)), reading, size));
      });
    });
  }

  #finish(result: string | ArrayBuffer, reading: object, size: number): void {
    this.#state = STATES.DONE;
    this.#result = result;
    this.#fire("load", size, size);
    if (this.#reading === reading && this.#state === STATES.DONE) this.#fire("loadend", size, size);
  }

  #fire(type: string, loaded: number, total: number): void {
    const init = { lengthComputable: total > 0, loaded, total };
    this.dispatchEvent(trustedEvent(new GuestProgressEvent(type, init)));
  }
}

export function installFileReader(): void {
  defineInterface("ProgressEvent", GuestProgressEvent);
  defineInterface("FileReader", GuestFileReader);
  defineConstants(GuestFileReader, STATES);
  for (const type of EVENTS) defineHandler(GuestFileReader.prototype, type);
}
