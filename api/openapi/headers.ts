/** What the headers say that answers have. */
import { z } from "zod";
import type { AnswerHeader } from "../http/route.ts";

export const ANSWER_HEADERS: Record<AnswerHeader | "idempotency-replayed" | "retry-after", z.ZodType> = {
  "bellhop-deduplicated": z
    .literal("true")
    .optional()
    .meta({ description: "The same was made within the window of `dedup`; nothing was made." }),
  "bellhop-run-id": z.uuid().meta({ description: "The run of the call." }),
  etag: z
    .string()
    .optional()
    .meta({ description: "What this is known by, for `If-None-Match` and `If-Match`." }),
  "idempotency-replayed": z
    .literal("true")
    .optional()
    .meta({ description: "The answer is that of an earlier request with the same key." }),
  "last-event-id": z.string().optional().meta({
    description:
      "Of a stream: what it begins after. Send it where the stream breaks off before you have seen an id.",
  }),
  link: z
    .string()
    .optional()
    .meta({ description: "Where there is a next page: where that is read (RFC 8288)." }),
  location: z.string().meta({ description: "Where the thing is read." }),
  "preference-applied": z
    .string()
    .optional()
    .meta({ description: "`respond-async` or `return=minimal`, where that was asked for and done." }),
  "retry-after": z.string().optional().meta({ description: "Seconds; where it passes by itself." }),
};

export const IDEMPOTENCY_KEY = z
  .string()
  .min(1)
  .max(255)
  .optional()
  .meta({ description: "The same request with the same key makes nothing again. Kept for 24 hours." });

const condition = (description: string) => z.string().optional().meta({ description });

export const CONDITIONS_OF_READS = {
  "if-match": condition("The `ETag` of what is to be read. Else it is not."),
  "if-none-match": condition("The `ETag` of what you have."),
};

export const CONDITIONS_OF_CHANGES = {
  "if-match": condition(
    "The `ETag` of what is to be changed; `*`: whatever is there. Else nothing is changed.",
  ),
  "if-none-match": condition("`*`: only where there is nothing; an `ETag`: only where it is another."),
};

export const PREFER_MINIMAL = z
  .string()
  .optional()
  .meta({ description: "`return=minimal`: what was made or changed is not shown." });

export const NAMESPACE = z
  .string()
  .optional()
  .meta({ description: "Of an operator's key: the namespace to act in, where it is another than its own." });
