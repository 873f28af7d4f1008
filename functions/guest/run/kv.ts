/**
 * `ctx.kv`: what a function remembers from run to run. Asks go to the worker as JSON, so many at once; the others wait
 * their turn. An ask: waiting → under way → answered; the run's end forgets them all.
 */
import { host, onMessage } from "../host.ts";
import { type GuestRun, noteUnanswered, onRunEnd } from "./current-run.ts";
import {
  apply,
  freeze,
  mapClear,
  mapDelete,
  mapGet,
  mapSet,
  NativeError,
  NativeMap,
  NativePromise,
  NativeTypeError,
  parse,
  promiseThen,
  stringify,
} from "./primordials.ts";

/** Mirrors runtime/sandbox/protocol/kv-messages.ts. */
const MAX_AT_ONCE = 16;

interface Asked {
  readonly no: number;
  readonly text: string;
  readonly resolve: (ok: unknown) => void;
  readonly reject: (thrown: unknown) => void;
  next: Asked | undefined;
}

const underWay = new NativeMap<number, Asked>();
let underWayCount = 0;
let nextNo = 1;
let firstWaiting: Asked | undefined;
let lastWaiting: Asked | undefined;

onRunEnd(() => {
  firstWaiting = lastWaiting = undefined;
  if (underWayCount > 0) {
    mapClear(underWay);
    noteUnanswered();
  }
  underWayCount = 0;
});

/** To be called while the snapshot is made. */
export function receiveKvAnswers(): void {
  onMessage("kv", (no, text) => {
    const asked = mapGet(underWay, no);
    if (asked === undefined) return;
    mapDelete(underWay, no);
    underWayCount--;
    if (firstWaiting !== undefined) {
      const next = firstWaiting;
      firstWaiting = next.next;
      if (firstWaiting === undefined) lastWaiting = undefined;
      send(next);
    }
    const { ok, error } = parse(text) as { ok?: unknown; error?: { code: string; message: string } };
    if (error === undefined) asked.resolve(ok);
    else asked.reject(toKvError(error));
  });
}

function send(asked: Asked): void {
  underWayCount++;
  mapSet(underWay, asked.no, asked);
  host().send("kv", asked.no, asked.text);
}

function ask<T>(run: GuestRun, question: object): Promise<T> {
  return new NativePromise<T>((resolve, reject) => {
    if (run.ended) {
      reject(toKvError({ code: "run_over", message: "the run is over" }));
      return;
    }
    const text = stringify(question);
    const asked = {
      __proto__: null,
      no: nextNo++,
      text,
      resolve,
      reject,
      next: undefined,
    } as unknown as Asked;
    if (underWayCount < MAX_AT_ONCE) send(asked);
    else if (lastWaiting === undefined) firstWaiting = lastWaiting = asked;
    else lastWaiting = lastWaiting.next = asked;
  });
}

function toKvError({ code, message }: { code: string; message: string }): Error {
  const error = new NativeError(message) as Error & { code: string };
  error.name = "KvError";
  error.code = code;
  return error;
}

interface Entry {
  key: string;
  value: unknown;
  version: string;
}

interface Condition {
  ifVersion?: string | null;
}

/** An entry with its value as the function set it. */
function toEntry({ key, value, version }: Entry): Entry {
  return { key, value: parse(value as string), version };
}

function toValueText(value: unknown): string {
  const text = stringify(value) as string | undefined;
  if (text === undefined) throw new NativeTypeError("A value must be JSON");
  return text;
}

function getEntry(run: GuestRun, key: unknown): Promise<Entry | undefined> {
  const asked = ask<Entry | null>(run, { __proto__: null, op: "get", key });
  return promiseThen(asked, (entry) => (entry === null ? undefined : toEntry(entry))) as Promise<
    Entry | undefined
  >;
}

async function set(run: GuestRun, key: unknown, value: unknown, condition?: Condition) {
  const ifVersion = condition?.ifVersion;
  const question = { __proto__: null, op: "set", key, value: toValueText(value), ifVersion };
  const { conflict, version } = await ask<{ conflict?: boolean; version?: string }>(run, question);
  return conflict === true ? { ok: false } : { ok: true, version };
}

async function list(run: GuestRun, options: { prefix?: string; after?: string | null; limit?: number } = {}) {
  const { prefix, after, limit } = options;
  const question = { __proto__: null, op: "list", prefix, after: after ?? undefined, limit };
  const page = await ask<{ entries: Entry[]; after: string | null }>(run, question);
  for (let i = 0; i < page.entries.length; i++) page.entries[i] = toEntry(page.entries[i]!);
  return page;
}

/** The store as one run sees it. */
export function makeKv(run: GuestRun) {
  return freeze({
    get: (key: unknown) => promiseThen(getEntry(run, key), (entry) => (entry as Entry | undefined)?.value),
    getEntry: (key: unknown) => getEntry(run, key),
    set: (...given: [unknown, unknown, Condition?]) => apply(set, undefined, [run, ...given]),
    delete: (key: unknown, condition?: Condition) =>
      promiseThen(
        ask<{ deleted: boolean }>(run, {
          __proto__: null,
          op: "delete",
          key,
          ifVersion: condition?.ifVersion,
        }),
        ({ deleted }) => deleted,
      ),
    list: (options?: { prefix?: string; after?: string | null; limit?: number }) => list(run, options),
  });
}
