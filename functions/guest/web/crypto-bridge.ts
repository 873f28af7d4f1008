/**
 * Operations of Web Crypto as the executor does them: JSON and bytes there and back, a few at a time.
 *
 * waiting → asked → answered, or dropped with its run. Keys stay with the executor; the guest holds their numbers.
 */
import { host, onMessage } from "../host.ts";
import { currentRun, noteUnanswered } from "../run/current-run.ts";
import {
  apply,
  isArray,
  mapClear,
  mapDelete,
  mapForEach,
  mapGet,
  mapSet,
  NativeMap,
  NativePromise,
  parse,
  stringify,
} from "../run/primordials.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const MAX_AT_ONCE = 8;

/** A key as it comes from the executor. */
export interface KeyFacts {
  $key: number;
  type: string;
  extractable: boolean;
  algorithm: Record<string, unknown>;
  usages: string[];
}

interface Asked {
  text: string;
  bytes: Bytes | undefined;
  resolve(answer: { text: string; bytes: Bytes | undefined }): void;
}

const asked = new NativeMap<number, Asked>();
let waiting: Asked[] = [];
let askedCount = 0;
let nextNo = 1;
let released: number[] = [];
const { set } = Uint8Array.prototype;

const NativeBytes = Uint8Array;

/** Bytes and key numbers inside arguments. */
export class KeyNumber {
  readonly $key: number;
  constructor(number: number) {
    this.$key = number;
  }
}

/** Says at the next occasion that a key is not used any more. */
export function releaseKey(number: number): void {
  released[released.length] = number;
}

/** Resolves with the answer's JSON and its bytes. */
export function askHost(
  op: string,
  args: readonly unknown[],
): Promise<{ text: string; bytes: Bytes | undefined }> {
  const parts: Bytes[] = [];
  const encoded = { __proto__: null, op, args: encode(args, parts), released };
  released = [];
  const bytes = join(parts);
  return new NativePromise((resolve) => {
    const one: Asked = { text: stringify(encoded), bytes, resolve };
    if (askedCount < MAX_AT_ONCE) send(one);
    else waiting[waiting.length] = one;
  });
}

function send(one: Asked): void {
  if (currentRun.ended) return;
  askedCount++;
  const no = nextNo++;
  mapSet(asked, no, one);
  host().send("crypto", no, one.text, one.bytes);
}

function encode(value: unknown, parts: Bytes[]): unknown {
  if (value instanceof NativeBytes) {
    parts[parts.length] = value as Bytes;
    return { __proto__: null, $bytes: value.byteLength };
  }
  if (value instanceof KeyNumber) return { __proto__: null, $key: value.$key };
  if (typeof value !== "object" || value === null) return value;
  if (isArray(value)) {
    const list: unknown[] = [];
    for (let i = 0; i < value.length; i++) list[i] = encode(value[i], parts);
    return list;
  }
  const copy = { __proto__: null } as Record<string, unknown>;
  for (const key in value) copy[key] = encode((value as Record<string, unknown>)[key], parts);
  return copy;
}

function join(parts: readonly Bytes[]): Bytes | undefined {
  if (parts.length === 0) return undefined;
  let total = 0;
  for (let i = 0; i < parts.length; i++) total += parts[i]!.byteLength;
  const joined = new NativeBytes(total);
  for (let i = 0, at = 0; i < parts.length; i++) {
    apply(set, joined, [parts[i], at]);
    at += parts[i]!.byteLength;
  }
  return joined;
}

const OVER = {
  text: stringify({
    error: { name: "AbortError", message: "The run that asked for it is over", isDom: true },
  }),
  bytes: undefined,
};

/** The run's operations are dropped: whoever still waits for one, in a module's state perhaps, hears of it. */
export function resetCrypto(): void {
  const dropped = waiting;
  mapForEach(asked, (one) => {
    dropped[dropped.length] = one;
  });
  waiting = [];
  mapClear(asked);
  askedCount = 0;
  if (dropped.length > 0) noteUnanswered();
  for (let i = 0; i < dropped.length; i++) dropped[i]!.resolve(OVER);
}

/** To be called while the snapshot is made. */
export function receiveCrypto(): void {
  onMessage("crypto", (no, text, bytes) => {
    const one = mapGet(asked, no);
    if (!one || !mapDelete(asked, no)) return;
    askedCount--;
    one.resolve({ text, bytes: bytes as Bytes | undefined });
    const next = waiting[0];
    if (next === undefined) return;
    const rest: Asked[] = [];
    for (let i = 1; i < waiting.length; i++) rest[i - 1] = waiting[i]!;
    waiting = rest;
    send(next);
  });
}

/** What an answer says, with its bytes as ArrayBuffers where they stood. */
export function decodeAnswer(
  text: string,
  bytes: Bytes | undefined,
  makeKey: (facts: KeyFacts) => object,
): unknown {
  let at = 0;
  const decode = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (isArray(value)) return value.map(decode);
    const { $bytes, $key } = value as { $bytes?: number; $key?: number };
    if ($bytes !== undefined) {
      at += $bytes;
      return (bytes ?? new NativeBytes(0)).slice(at - $bytes, at).buffer;
    }
    const copy: Record<string, unknown> = {};
    for (const [key, item] of Object.entries(value)) copy[key] = decode(item);
    return $key === undefined ? copy : makeKey(copy as unknown as KeyFacts);
  };
  return decode(parse(text));
}
