/** What a function asks of its key-value store. It comes out of an executor that may have been taken over. */
import { IN_PLAIN_WORDS, toFieldErrors } from "../../core/contracts/plain-words.ts";
import { messageOf } from "../../core/errors.ts";
import type { KvEntry, KvPage, KvWritten } from "../../core/store/functions/kv.ts";
import type { KeyValueAnswerer } from "../sandbox/invocation.ts";
import type { KvAsk } from "./kv-ask.ts";

const MAX_VALUE_BYTES = 65_536;
const MAX_OPERATIONS = 1_000;

/** The store of one function. */
export interface KeyValueStore {
  get(key: string): Promise<KvEntry | undefined>;
  set(asked: { key: string; value: string; ifVersion: string | null | undefined }): Promise<KvWritten>;
  delete(key: string, ifVersion: string | undefined): Promise<boolean>;
  list(asked: { prefix: string; after: string | undefined; limit: number }): Promise<KvPage>;
}

class Refused extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Answers one run's asks; `onError` hears what the run is not told. */
export function createKeyValueAnswerer(
  store: KeyValueStore,
  onError: (error: unknown) => void,
): KeyValueAnswerer {
  let operations = 0;
  return async (text) => {
    try {
      if (++operations > MAX_OPERATIONS) {
        throw new Refused(
          "kv_limit",
          `A run may use its store ${MAX_OPERATIONS.toLocaleString("en-US")} times.`,
        );
      }
      return JSON.stringify({ ok: await answer(store, await readAsk(text)) });
    } catch (thrown) {
      if (thrown instanceof Refused) return refuse(thrown.code, thrown.message);
      onError(thrown);
      return refuse("kv_unavailable", "The store does not answer right now.");
    }
  };
}

function refuse(code: string, message: string): string {
  return JSON.stringify({ error: { code, message } });
}

async function readAsk(text: string): Promise<KvAsk> {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (error) {
    throw new Refused("kv_invalid", messageOf(error));
  }
  // Loaded with the first ask: most workers are never asked.
  const { kvAsk } = await import("./kv-ask.ts");
  const parsed = kvAsk.safeParse(given, IN_PLAIN_WORDS);
  if (!parsed.success) {
    const [refused] = toFieldErrors(parsed.error.issues);
    throw new Refused("kv_invalid", `${refused?.field}: ${refused?.message}`);
  }
  if (parsed.data.op === "set") checkValue(parsed.data.value);
  return parsed.data;
}

function checkValue(value: string): void {
  if (Buffer.byteLength(value) > MAX_VALUE_BYTES) {
    const message = `A value holds at most ${MAX_VALUE_BYTES.toLocaleString("en-US")} bytes of JSON.`;
    throw new Refused("kv_value_too_large", message);
  }
  try {
    JSON.parse(value);
  } catch {
    throw new Refused("kv_invalid", "value: must be JSON");
  }
}

async function answer(store: KeyValueStore, asked: KvAsk): Promise<unknown> {
  switch (asked.op) {
    case "get":
      return (await store.get(asked.key)) ?? null;
    case "set": {
      const { key: at, value, ifVersion } = asked;
      const written = await store.set({ key: at, value, ifVersion });
      if (written === "quota") {
        throw new Refused("kv_quota_exceeded", "The function's store is full: too many keys or bytes.");
      }
      return written === "conflict" ? { conflict: true } : written;
    }
    case "delete":
      return { deleted: await store.delete(asked.key, asked.ifVersion) };
    case "list":
      return await store.list({ prefix: asked.prefix, after: asked.after, limit: asked.limit });
  }
}
