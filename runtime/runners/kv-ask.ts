/** The shape of what a function asks of its key-value store. */
import { z } from "zod";

const MAX_KEY_BYTES = 512;
const MAX_PAGE = 100;

const isText = (text: string) => text.isWellFormed() && !text.includes("\0");
const prefix = z
  .string()
  .refine(isText, "must be text without U+0000")
  .refine((text) => Buffer.byteLength(text) <= MAX_KEY_BYTES, `holds at most ${MAX_KEY_BYTES} bytes`);
const key = prefix.refine((text) => text !== "", "must not be empty");
const version = z.string().max(20);

export const kvAsk = z.discriminatedUnion("op", [
  z.strictObject({ op: z.literal("get"), key }),
  z.strictObject({ op: z.literal("set"), key, value: z.string(), ifVersion: version.nullable().optional() }),
  z.strictObject({ op: z.literal("delete"), key, ifVersion: version.optional() }),
  z.strictObject({
    op: z.literal("list"),
    prefix: prefix.default(""),
    after: key.optional(),
    limit: z.number().int().min(1).max(MAX_PAGE).default(MAX_PAGE),
  }),
]);
export type KvAsk = z.output<typeof kvAsk>;
