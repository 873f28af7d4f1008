/** The executor may have been taken over by what it runs: what it says is checked here, field by field. */

import { LOG_LEVELS } from "../../../core/domain/log-level.ts";
import { splitFrame } from "../../../core/frames.ts";
import { isNestedDeeper } from "../../../core/json-depth.ts";
import { GUEST_LIMITS } from "../../../functions/guest/limits.ts";
import { isThrown } from "../../../functions/guest/thrown.ts";
import { readKvAsk } from "../protocol/kv-messages.ts";
import {
  type ChildMessage,
  FAILURE_CODES,
  type LogMessage,
  MAX_BATCH_RUNS,
  type ResultMessage,
  type WarmMessage,
} from "../protocol/messages.ts";
import { readCallSay } from "./call/read-call-say.ts";
import { readFetchAsk } from "./fetch/read-fetch-ask.ts";

/** Honest messages nest less; JSON.parse takes most of a second for a large one that is nothing but brackets. */
const MAX_DEPTH = 8;
const LARGE_CHARS = 65_536;

/** The message of a frame, or undefined where it is none. */
export function readChildMessage(text: string): ChildMessage | undefined {
  const { json, payload } = splitFrame(text);
  if (json.length > LARGE_CHARS && isNestedDeeper(json, MAX_DEPTH)) return undefined;
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  if (payload !== undefined) value["result"] = payload;
  switch (value["t"]) {
    case "ready":
      return { t: "ready" };
    case "warm":
      return isWarmMessage(value) ? value : undefined;
    case "over":
      return isOverMessage(value) ? value : undefined;
    case "unstarted":
      return isUnstartedMessage(value) ? value : undefined;
    case "log":
      return isLogMessage(value) ? value : undefined;
    case "result":
      return isResultMessage(value) ? value : undefined;
    default:
      return readFetchAsk(value) ?? readCallSay(value) ?? readKvAsk(value);
  }
}

type Value<M> = Record<string, unknown> & M;

function isOverMessage(value: Record<string, unknown>): value is Value<Extract<ChildMessage, { t: "over" }>> {
  return Number.isSafeInteger(value["id"]) && (value["what"] === "memory" || value["what"] === "cpu");
}

function isUnstartedMessage(
  value: Record<string, unknown>,
): value is Value<Extract<ChildMessage, { t: "unstarted" }>> {
  const { ids } = value;
  return Array.isArray(ids) && ids.length <= MAX_BATCH_RUNS && ids.every(Number.isSafeInteger);
}

function isLogMessage(value: Record<string, unknown>): value is Value<LogMessage> {
  return (
    Number.isSafeInteger(value["id"]) &&
    (LOG_LEVELS as readonly unknown[]).includes(value["level"]) &&
    typeof value["message"] === "string" &&
    typeof value["fields"] === "string" &&
    typeof value["at"] === "number" &&
    Math.abs(value["at"]) <= 8.64e15
  );
}

function isWarmMessage(value: Record<string, unknown>): value is Value<WarmMessage> {
  const isCount = (count: unknown) => Number.isSafeInteger(count) && (count as number) >= 0;
  const evicted = value["evicted"] as Partial<WarmMessage["evicted"]> | null | undefined;
  return (
    isCount(value["isolates"]) &&
    isCount(value["bytes"]) &&
    typeof evicted === "object" &&
    evicted !== null &&
    isCount(evicted.memory) &&
    isCount(evicted.idle)
  );
}

/** A day at most: it is added to others. */
const MAX_DURATION_MS = 86_400_000;

export function isDurationMs(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= MAX_DURATION_MS;
}

const isByteCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

function isAskedWaitMs(value: unknown): boolean {
  return (
    Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= GUEST_LIMITS.retryAfterMs
  );
}

function areCauses(value: unknown): boolean {
  return Array.isArray(value) && value.length <= GUEST_LIMITS.causes && value.every(isThrown);
}

function isResultMessage(value: Record<string, unknown>): value is Value<ResultMessage> {
  const isText = (text: unknown) => text === undefined || typeof text === "string";
  return (
    Number.isSafeInteger(value["id"]) &&
    (value["result"] === undefined
      ? (FAILURE_CODES as readonly unknown[]).includes(value["code"])
      : typeof value["result"] === "string") &&
    isText(value["message"]) &&
    isText(value["name"]) &&
    isText(value["stack"]) &&
    isText(value["reason"]) &&
    (value["causes"] === undefined || areCauses(value["causes"])) &&
    (value["again"] === undefined || value["again"] === "retry" || value["again"] === "fatal") &&
    (value["afterMs"] === undefined || isAskedWaitMs(value["afterMs"])) &&
    Number.isSafeInteger(value["droppedLines"]) &&
    typeof value["reused"] === "boolean" &&
    typeof value["recycle"] === "boolean" &&
    (value["loadMs"] === undefined || isDurationMs(value["loadMs"])) &&
    (value["ranMs"] === undefined || typeof value["ranMs"] === "number") &&
    (value["heldBytes"] === undefined || isByteCount(value["heldBytes"])) &&
    (value["waited"] === undefined || typeof value["waited"] === "boolean")
  );
}
