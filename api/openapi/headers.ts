/** What the headers say that answers have. */
import { z } from "zod";
import type { AnswerHeader } from "../http/route.ts";

export const ANSWER_HEADERS: Record<AnswerHeader | "idempotency-replayed" | "retry-after", z.ZodType> = {
  "bellhop-deduplicated": z
    .literal("true")
    .optional()
    .meta({ description: "The same was created within the window of `dedup`; nothing was created." }),
  "bellhop-run-id": z.uuid().meta({ description: "The run of the call." }),
  etag: z
    .string()
    .optional()
    .meta({ description: "The version of this resource, for `If-None-Match` and `If-Match`." }),
  "idempotency-replayed": z
    .literal("true")
    .optional()
    .meta({ description: "The response is that of an earlier request with the same key." }),
  "last-event-id": z.string().optional().meta({
    description:
      "For a stream: what it begins after. Send it if the stream breaks off before you have seen an id.",
  }),
  link: z.string().optional().meta({ description: "If there is a next page: its address (RFC 8288)." }),
  location: z.string().meta({ description: "The address of the resource." }),
  "preference-applied": z
    .string()
    .optional()
    .meta({ description: "`respond-async` or `return=minimal`, if it was requested and applied." }),
  "retry-after": z
    .string()
    .optional()
    .meta({ description: "Seconds until you may try again; present if the cause is temporary." }),
};

export const IDEMPOTENCY_KEY = z
  .string()
  .min(1)
  .max(255)
  .optional()
  .meta({ description: "A repeated request with the same key creates nothing. Kept for 24 hours." });

const condition = (description: string) => z.string().optional().meta({ description });

export const CONDITIONS_OF_READS = {
  "if-match": condition("The `ETag` that the resource must have to be read."),
  "if-none-match": condition("The `ETag` of what you have."),
};

export const CONDITIONS_OF_CHANGES = {
  "if-match": condition(
    "The `ETag` that the resource must have to be changed; `*`: any. Otherwise nothing is changed.",
  ),
  "if-none-match": condition(
    "`*`: only if the resource does not exist; an `ETag`: only if the resource has another.",
  ),
};

export const PREFER_MINIMAL = z
  .string()
  .optional()
  .meta({ description: "`return=minimal`: what was created or changed is not shown." });

export const NAMESPACE = z
  .string()
  .optional()
  .meta({ description: "For an operator's key: the namespace to act in, if it is not its own." });
