/** Webhooks on the wire. */
import { z } from "zod";
import type { QueuePlace } from "../domain/limit-keys.ts";
import { idOutput, instantOutput, lineField, nameField, wholeNumberField } from "./common.ts";
import { queueFields } from "./queue-fields.ts";
import { MAX_ATTEMPTS } from "./retry-field.ts";

/**
 * The body of `POST /v1/functions/{name}/hooks`; `tag`: the revision that is triggered, in place of the traffic;
 * `maxAttempts`: how often a call is tried, the first attempt included; `queueFields`: where its calls stand.
 */
export const hookInput = z
  .strictObject({
    name: lineField("a name").min(1).max(100).nullable().default(null),
    tag: nameField.nullable().default(null),
    maxAttempts: wholeNumberField(1, MAX_ATTEMPTS).prefault(1),
    ...queueFields,
  })
  .meta({ examples: [{ name: "the shop" }] });

const hookFields = {
  id: idOutput,
  name: z.string().nullable(),
  tag: z.string().nullable().meta({ description: "The revision it triggers; null: as the traffic goes." }),
  maxAttempts: z.int().meta({ description: "How often a call is tried, the first attempt included." }),
  queue: z.string().meta({ description: "The queue in which its calls stand." }),
  concurrencyKey: z.string().nullable(),
  rateKey: z.string().nullable(),
  priority: z.int(),
  createdAt: instantOutput,
};
const EXAMPLE_HOOK = {
  id: "01a20a28-a81c-7294-862d-1a27e97c0d32",
  name: "the shop",
  tag: null,
  maxAttempts: 1,
  queue: "default",
  concurrencyKey: null,
  rateKey: null,
  priority: 50,
  createdAt: "2026-11-23T20:40:00.000Z",
};

export const hookOutput = z.object(hookFields).meta({ id: "Hook", examples: [EXAMPLE_HOOK] });
export type WireHook = z.output<typeof hookOutput>;

export const createdHookOutput = z
  .object({
    ...hookFields,
    token: z.string().meta({ description: "Shown this once." }),
    url: z.string().meta({
      description:
        "Where the hook is called: a path, or where the operator has set BELLHOP_PUBLIC_URL, a whole address.",
    }),
  })
  .meta({
    id: "CreatedHook",
    examples: [{ ...EXAMPLE_HOOK, token: `bhk_${"x".repeat(43)}`, url: `/hooks/bhk_${"x".repeat(43)}` }],
  });

interface HookFacts {
  id: string;
  name: string | null;
  tag: string | null;
  maxAttempts: number;
  place: QueuePlace;
  createdAt: Date;
}

export function toWireHook({ id, name, tag, maxAttempts, place, createdAt }: HookFacts): WireHook {
  return { id, name, tag, maxAttempts, ...place, createdAt: createdAt.toISOString() };
}
