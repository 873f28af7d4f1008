/** Which failures are one: what a run's error is known by, whatever its numbers, ids and texts were that time. */
import { createHash } from "node:crypto";
import type { RunError } from "./run-errors.ts";

/** `resolved`: open again as soon as it comes again; `ignored`: it stays so. */
export const ERROR_STATES = ["open", "resolved", "ignored"] as const;
export type ErrorState = (typeof ERROR_STATES)[number];

/** Kept of a message, in characters; more is not looked at. */
export const MAX_GROUP_MESSAGE_CHARS = 500;

export interface ErrorKind {
  /** 32 hexadecimal digits. */
  fingerprint: string;
  code: string;
  /** As this failure says it, cut to its bound. */
  message: string;
}

export function kindOf(error: RunError): ErrorKind {
  const { code } = error;
  const message = error.message.slice(0, MAX_GROUP_MESSAGE_CHARS);
  const parts = [code, normaliseMessage(message), findAuthorLine(error) ?? ""];
  const fingerprint = createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
  return { fingerprint, code, message };
}

/** What differs from one time to the next, the longer forms first. None of what stands in its place matches another. */
const VARYING: [RegExp, string][] = [
  [/(?<![\w])(["'`])(?:(?!\1)[^\n])*\1(?!\w)/g, "<text>"],
  [/\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b/gi, "<id>"],
  [/\b0x[0-9a-f]+\b/gi, "<hex>"],
  // What mixes letters with digits, and is long: keys, hashes, ids of other systems.
  [/\b(?=\w{0,500}[0-9])(?=\w{0,500}[a-z])[\w]{8,}\b/gi, "<id>"],
  [/\d+(?:[.,:]\d+)*/g, "<n>"],
  [/\s+/g, " "],
];

/** The message without what varies. */
export function normaliseMessage(message: string): string {
  return VARYING.reduce((text, [varying, mark]) => text.replaceAll(varying, mark), message).trim();
}

/** Of a stack, as a run shows it: its author's frames alone, the innermost first. */
const FRAME = /^\s*at (?:async )?(?:[^\n(]*\()?([^\n()]+:\d+):\d+\)?$/m;

/** The file and line that the innermost of the author's frames names; undefined where there is no stack. */
export function findAuthorLine({ details }: RunError): string | undefined {
  const stack = (details as { stack?: unknown } | null | undefined)?.stack;
  return typeof stack === "string" ? FRAME.exec(stack)?.[1] : undefined;
}

/** For so many hours a group tells how often it was seen in each. */
export const GROUP_HOURS = 24;
const HOUR_MS = 3_600_000;

/** Hours since 1970. */
export const hourOf = (at: Date): number => Math.floor(at.getTime() / HOUR_MS);

/** How often in each of the last hours, the oldest first; the last one is not over. */
export function listHours(counts: Record<string, number>, now: Date): number[] {
  const first = hourOf(now) - GROUP_HOURS + 1;
  return Array.from({ length: GROUP_HOURS }, (_, index) => counts[first + index] ?? 0);
}
