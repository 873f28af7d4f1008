import { z } from "zod";
import { hasControlCharacter } from "../control-characters.ts";
import { formatDuration, parseDuration } from "../duration.ts";

const MAX_DURATION_MS = 3_660 * 86_400_000;

/** A duration on the wire, milliseconds inside: at least `min`, at most `max`. */
export function durationField(minMs: number, maxMs: number = MAX_DURATION_MS) {
  return z.string().transform((text, context) => {
    const ms = parseDuration(text);
    if (ms === undefined) {
      const message = text.startsWith("-")
        ? "a duration cannot be negative"
        : 'must be a duration such as "500ms", "30s", "10m", "2h", "1d" or ISO 8601';
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    }
    if (ms < minMs || ms > maxMs) {
      const message =
        ms < minMs ? `must be at least ${formatDuration(minMs)}` : `must be at most ${formatDuration(maxMs)}`;
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    }
    return ms;
  });
}

const END_OF_TIME_MS = Date.parse("9999-12-31T00:00:00Z");

/** RFC 3339 with an offset or Z, in; a Date inside. */
export const instantField = z.iso
  .datetime({ offset: true, message: "must be an RFC 3339 instant such as 2026-12-01T09:00:00Z" })
  .transform((text) => new Date(text))
  .refine((at) => at.getTime() < END_OF_TIME_MS, "lies beyond the year 9999");

/** One line of text; `what` names it in the refusal: "an address". */
export const lineField = (what: string) =>
  z.string().refine((text) => !hasControlCharacter(text), `${what} holds no line break or control character`);

export const nameField = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,62}$/,
    "must be 1 to 63 lower-case letters, digits and dashes, and begin with a letter",
  );

export const listQuery = z.object({
  limit: z.coerce
    .number("must be a whole number from 1 to 200")
    .int("must be a whole number from 1 to 200")
    .min(1, "must be a whole number from 1 to 200")
    .max(200, "must be a whole number from 1 to 200")
    .default(50),
  cursor: z.string().max(200).optional(),
});

/** A page of anything: newest first; `nextCursor` is null on the last one. */
export interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

export function toPage<Row, Item>(
  rows: Row[],
  limit: number,
  toItem: (row: Row) => Item,
  cursorOf: (row: Row) => string,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const nextCursor = rows.length > limit && last ? Buffer.from(cursorOf(last)).toString("base64url") : null;
  return { items: shown.map(toItem), nextCursor };
}

export function decodeCursor(cursor: string | undefined): string | undefined {
  return cursor === undefined ? undefined : Buffer.from(cursor, "base64url").toString();
}
