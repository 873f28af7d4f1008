/**
 * What executor and worker say to each other about a run's key-value store: an ask and its answer, both JSON text that
 * this process and the executor pass on unread. `id` is the run's, `no` the ask's within its run.
 *
 * ask: {"op":"get","key"} | {"op":"set","key","value":<JSON text>,"ifVersion"?:text|null} |
 * {"op":"delete","key","ifVersion"?} | {"op":"list","prefix"?,"after"?,"limit"?}; answer: {"ok":…}: {"key","value","version"}
 * or null, {"version"} or {"conflict":true}, {"deleted"}, {"entries","after"}; or {"error":{"code","message"}}.
 *
 * Imported by both sides; it may import nothing else of the project.
 */
import { isCount } from "./wire-values.ts";

/** Of one run, under way at once; the next ones wait in the guest. */
export const MAX_KV_ASKS_AT_ONCE = 16;
/** Of one ask: a value of 64 KB, escaped. */
export const MAX_KV_ASK_CHARS = 500_000;

/** Executor → worker. */
export interface KvAsk {
  t: "kv";
  id: number;
  no: number;
  ask: string;
}

/** Worker → executor. */
export interface KvReply {
  t: "kv";
  id: number;
  no: number;
  answer: string;
}

/** A new object of the known fields alone, or undefined where the value is no ask. */
export function readKvAsk(value: Record<string, unknown>): KvAsk | undefined {
  const { t, id, no, ask } = value;
  if (t !== "kv" || !isCount(id) || !isCount(no)) return undefined;
  return typeof ask === "string" && ask.length <= MAX_KV_ASK_CHARS ? { t, id, no, ask } : undefined;
}
