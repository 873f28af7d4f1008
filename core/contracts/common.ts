import { z } from "zod";
import { LATEST_MS } from "../domain/schedule/schedule.ts";
import { DURATION_PATTERN, formatDuration, parseDuration } from "../duration.ts";
import type { Json } from "../json.ts";

export const MAX_DURATION_MS = 3_660 * 86_400_000;

/**
 * A duration on the wire, milliseconds inside: at least `minMs`, at most `maxMs`. The bounds hold for what comes in;
 * what is stored may have come under others, and is shown as it is.
 */
export function durationField(minMs: number, maxMs: number = MAX_DURATION_MS) {
  const bounds = `${formatDuration(minMs)} to ${formatDuration(maxMs)}`;
  const description = `A duration, such as "500ms", "30s", "1h" or ISO 8601: ${bounds}.`;
  const wire = durationText.meta({
    description,
    pattern: DURATION_PATTERN,
    examples: [formatDuration(minMs)],
  });
  return z.codec(wire, z.number(), {
    decode(text, context) {
      const ms = parseDuration(text);
      if (ms === undefined) return refuse(context, text.startsWith("-") ? NEGATIVE_DURATION : NO_DURATION);
      if (ms < minMs) return refuse(context, `must be at least ${formatDuration(minMs)}`);
      if (ms > maxMs) return refuse(context, `must be at most ${formatDuration(maxMs)}`);
      return ms;
    },
    encode: formatDuration,
  });
}

const durationText = z.string({ error: ({ input }) => (input === undefined ? undefined : NO_DURATION) });
const NEGATIVE_DURATION = "a duration cannot be negative";
const NO_DURATION = 'must be a duration such as "500ms", "30s", "10m", "1h30m", "1d" or ISO 8601';

/** A number from `min` to `max`; the bounds hold for what comes in alone, as a duration's do. */
export const numberField = (min: number, max: number) => boundedField("number", min, max);

export const wholeNumberField = (min: number, max: number) => boundedField("integer", min, max);

function boundedField(type: "number" | "integer", minimum: number, maximum: number) {
  const what = type === "integer" ? "whole number" : "number";
  return z.codec(z.number().meta({ type, minimum, maximum }), z.number(), {
    decode(value, context) {
      const isFitting =
        value >= minimum && value <= maximum && (type === "number" || Number.isInteger(value));
      return isFitting ? value : refuse(context, `must be a ${what} from ${minimum} to ${maximum}`);
    },
    encode: (value) => value,
  });
}

/** Refuses the value that is being decoded; `path` leads to the part of it that is wrong. */
export function refuse(context: z.core.ParsePayload, message: string, path: string[] = []): never {
  context.issues.push({ code: "custom", message, path, input: context.value });
  return z.NEVER as never;
}

const NO_INSTANT = "must be an RFC 3339 instant such as 2026-12-01T09:00:00Z";

/** RFC 3339 with an offset or Z, in; a Date inside. */
export const instantField = z.codec(
  z.iso.datetime({ offset: true, error: ({ input }) => (input === undefined ? undefined : NO_INSTANT) }),
  z.date(),
  {
    decode(text, context) {
      const at = new Date(text);
      return at.getTime() <= LATEST_MS ? at : refuse(context, "lies after the year 9998");
    },
    encode: (at) => at.toISOString(),
  },
);

/** As every tool that reads the document knows it: not all have `\p{Cc}`. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it refuses.
const NO_CONTROL_CHARACTERS = /^[^\u0000-\u001f\u007f-\u009f]*$/;

/** One line of text; `what` names it in the refusal: "an address". */
export const lineField = (what: string) =>
  z.string().regex(NO_CONTROL_CHARACTERS, `${what} holds no line break or control character`);

export const nameField = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,62}$/,
    "must be 1 to 63 lower-case letters, digits and dashes, and begin with a letter",
  );

/** A parameter of a list that may be absent; `?level=` is what a form sends for "any". */
export function filterField<Schema extends z.ZodType>(schema: Schema) {
  const isEmpty = (value: unknown) =>
    value === "" || (Array.isArray(value) && value.every((each) => each === ""));
  return z.preprocess((value) => (isEmpty(value) ? undefined : value), schema.optional());
}

const MAX_VALUES = 20;

/** One value or several, any of which will do: a parameter that may be repeated, in JSON a string or an array. */
export function repeatedField<Item extends z.ZodType>(item: Item) {
  return z.preprocess(
    (value) => (typeof value === "string" ? [value] : value),
    z.array(item).min(1).max(MAX_VALUES, `takes at most ${MAX_VALUES} values`),
  );
}

/** A revision by its id or its number, as text or as a number; text inside. */
export const revisionField = z.union(
  [z.string().min(1).max(64), z.int().transform(String)],
  "must be a revision's id or number",
);

export const listQuery = z.object({
  limit: z.coerce
    .number("must be a whole number from 1 to 200")
    .int("must be a whole number from 1 to 200")
    .min(1, "must be a whole number from 1 to 200")
    .max(200, "must be a whole number from 1 to 200")
    .default(50)
    .meta({ description: "The maximum number of items on a page." }),
  cursor: z.string().max(200).optional().meta({ description: "The `nextCursor` of the previous page." }),
});

export const LIST_ORDERS = ["desc", "asc"] as const;
export type ListOrder = (typeof LIST_ORDERS)[number];

/** The query of a list that is filtered by the fields of `filter`: each as it is, or absent. */
export function filteredListQuery<Shape extends Record<string, z.ZodType>>(filter: z.ZodObject<Shape>) {
  const fields = Object.entries(filter.shape).map(([name, field]) => [name, filterField(field)]);
  return listQuery.extend({
    ...(Object.fromEntries(fields) as { [Name in keyof Shape]: ReturnType<typeof filterField<Shape[Name]>> }),
    order: filterField(z.enum(LIST_ORDERS, "must be asc or desc")).meta({
      description: "By creation time: the newest first (`desc`, the default) or last (`asc`).",
    }),
    count: filterField(z.literal("estimate", 'must be "estimate"')).meta({
      description: "`estimate`: the page has `estimatedCount`, about how many match, on all pages together.",
    }),
  });
}

/** An instant of an answer. */
export const instantOutput = z.iso.datetime();

export const idOutput = z.uuid();

/** Whatever JSON.parse makes. */
export const jsonOutput = z
  .custom<Json>((value) => value !== undefined)
  .meta({ description: "Any JSON value." });

/** What a schema gives as examples of itself. */
export function examplesOf(schema: z.ZodType): unknown[] {
  return (schema.meta()?.["examples"] as unknown[] | undefined) ?? [];
}

/** A page of anything: newest first unless it is said otherwise; `nextCursor` is null on the last one. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    nextCursor: z.string().nullable().meta({ description: "Null on the last page. Opaque." }),
  });
}

export interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

/** A page of a list that is filtered. */
export function filteredPageOf<Item extends z.ZodType>(item: Item) {
  return pageOf(item).extend({
    nextCursor: z.string().nullable().meta({
      description:
        "Null on the last page. Opaque. A page may have fewer items than asked for, or none, and still have a next page: if matches are rare, a page searches only part of the list.",
    }),
    estimatedCount: z.int().optional().meta({
      description: "With `count=estimate`: how many match. Exact if few rows have to be read.",
    }),
  });
}

export interface FilteredPage<Item> extends Page<Item> {
  estimatedCount?: number;
}

const encodeCursor = (position: string) => Buffer.from(position).toString("base64url");

export function toPage<Row, Item>(
  rows: Row[],
  limit: number,
  toItem: (row: Row) => Item,
  cursorOf: (row: Row) => string,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const nextCursor = rows.length > limit && last ? encodeCursor(cursorOf(last)) : null;
  return { items: shown.map(toItem), nextCursor };
}

/** Of what a walk found (core/store/walk.ts). */
export function toFilteredPage<Row, Item>(
  found: { rows: Row[]; nextId: string | null; estimatedCount?: number | undefined },
  toItem: (row: Row) => Item,
): FilteredPage<Item> {
  const { rows, nextId, estimatedCount } = found;
  return {
    items: rows.map(toItem),
    nextCursor: nextId === null ? null : encodeCursor(nextId),
    ...(estimatedCount === undefined ? {} : { estimatedCount }),
  };
}

export function decodeCursor(cursor: string | undefined): string | undefined {
  return cursor === undefined ? undefined : Buffer.from(cursor, "base64url").toString();
}

/** A part of a path, as it is described: what cannot be is not there, a 404. */
export const idParam = (description: string) =>
  z.uuid().meta({ description, examples: ["01a20a28-a81c-7294-862d-1a27e97c0d32"] });
