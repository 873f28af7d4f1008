/** Secrets on the wire: written, named, never read. */
import { z } from "zod";
import { instantOutput } from "./common.ts";

/** Shorter ones could not be kept out of logs. */
export const MIN_SECRET_CHARS = 4;
export const MAX_SECRET_VALUE_BYTES = 32_768;

export const secretInput = z
  .strictObject({
    value: z
      .string()
      .refine(
        (value) => value.length >= MIN_SECRET_CHARS,
        `has at least ${MIN_SECRET_CHARS} characters: a shorter one could not be redacted`,
      )
      .refine(
        (value) => Buffer.byteLength(value) <= MAX_SECRET_VALUE_BYTES,
        `holds at most ${MAX_SECRET_VALUE_BYTES} bytes`,
      )
      .refine((value) => value.isWellFormed(), "must be text")
      .meta({ description: `${MIN_SECRET_CHARS} characters to ${MAX_SECRET_VALUE_BYTES} bytes.` }),
  })
  .meta({ examples: [{ value: "sk_live_4242" }] });

export const secretOutput = z
  .object({ name: z.string(), createdAt: instantOutput, updatedAt: instantOutput })
  .meta({
    id: "Secret",
    description: "A secret without its value.",
    examples: [
      {
        name: "API_KEY",
        createdAt: "2026-11-23T20:40:00.000Z",
        updatedAt: "2026-11-23T20:40:00.000Z",
      },
    ],
  });

interface SecretFacts {
  name: string;
  createdAt: Date;
  updatedAt: Date;
}

export function toWireSecret({ name, createdAt, updatedAt }: SecretFacts): z.output<typeof secretOutput> {
  return { name, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}
