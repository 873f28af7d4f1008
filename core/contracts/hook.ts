/** Webhooks on the wire. */
import { z } from "zod";
import { HOOK_SCHEMES, type HookGuards } from "../domain/hook.ts";
import type { QueuePlace } from "../domain/limit-keys.ts";
import { durationField, idOutput, instantOutput, lineField, nameField, wholeNumberField } from "./common.ts";
import { fieldGroup, toShown } from "./field-group.ts";
import { envName } from "./function.ts";
import { queueFields } from "./queue-fields.ts";
import { MAX_ATTEMPTS } from "./retry-field.ts";

/** While a sender's secret is changed there are two. */
export const MAX_HOOK_SECRETS = 4;
const MIN_TOLERANCE_MS = 1_000;
/** What was delivered is remembered for longer than this. */
export const MAX_TOLERANCE_MS = 3_600_000;

export const MAX_HOOK_RATE = 1_000_000;
const MIN_RATE_MS = 1_000;
export const MAX_HOOK_RATE_MS = 3_600_000;

const guardFields = {
  verify: fieldGroup(
    {
      scheme: z.enum(HOOK_SCHEMES),
      secrets: z
        .array(envName)
        .min(1)
        .max(MAX_HOOK_SECRETS)
        .meta({ description: "Names of the namespace's secrets; a signature by any of them is taken." }),
      tolerance: durationField(MIN_TOLERANCE_MS, MAX_TOLERANCE_MS).prefault("5m"),
    },
    { tolerance: "toleranceMs" },
  )
    .nullable()
    .default(null)
    .meta({ description: "How senders sign; null: whoever has the token may call." }),
  rate: fieldGroup(
    { limit: wholeNumberField(1, MAX_HOOK_RATE), per: durationField(MIN_RATE_MS, MAX_HOOK_RATE_MS) },
    { per: "perMs" },
  )
    .nullable()
    .default(null)
    .meta({ description: "Calls that are taken, at each API; null: as many as come." }),
};
const guardCodec = fieldGroup(guardFields);
const shownGuards = toShown(z.strictObject(guardFields));

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
    ...guardFields,
  })
  .meta({
    examples: [
      {
        name: "the shop",
        verify: { scheme: "github", secrets: ["SHOP_SECRET"] },
        rate: { limit: 60, per: "1m" },
      },
    ],
  });

const hookFields = {
  id: idOutput,
  name: z.string().nullable(),
  tag: z.string().nullable().meta({ description: "The revision it triggers; null: as the traffic goes." }),
  maxAttempts: z.int().meta({ description: "How often a call is tried, the first attempt included." }),
  queue: z.string().meta({ description: "The queue in which its calls stand." }),
  concurrencyKey: z.string().nullable(),
  rateKey: z.string().nullable(),
  priority: z.int(),
  ...shownGuards.shape,
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
  verify: { scheme: "github" as const, secrets: ["SHOP_SECRET"], tolerance: "5m" },
  rate: { limit: 60, per: "1m" },
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

interface HookFacts extends HookGuards {
  id: string;
  name: string | null;
  tag: string | null;
  maxAttempts: number;
  place: QueuePlace;
  createdAt: Date;
}

export function toWireHook({ id, name, tag, maxAttempts, place, createdAt, ...hook }: HookFacts): WireHook {
  const guards = guardCodec.encode({ verify: hook.verify, rate: hook.rate }) as z.output<typeof shownGuards>;
  return { id, name, tag, maxAttempts, ...place, ...guards, createdAt: createdAt.toISOString() };
}
