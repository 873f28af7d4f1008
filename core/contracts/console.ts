/** Signing in to the console: a code that works once, for a key that does not last long. */
import { z } from "zod";
import { instantOutput, lineField } from "./common.ts";

export const MAX_CODE_CHARS = 100;

/** The body of `POST /console/sign-in`. */
export const signInInput = z
  .strictObject({
    code: lineField("a code")
      .min(1)
      .max(MAX_CODE_CHARS)
      .meta({ description: "Of the sign-in link; it works once." }),
  })
  .meta({ examples: [{ code: `bhs_${"x".repeat(43)}` }] });

export const sessionOutput = z
  .object({
    key: z.string().meta({ description: "An operator's key, made for this session." }),
    expiresAt: instantOutput,
  })
  .meta({
    id: "ConsoleSession",
    examples: [{ key: `bh_${"x".repeat(43)}`, expiresAt: "2026-11-24T08:40:00.000Z" }],
  });
