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
        .meta({ description: "Names of the namespace's secrets; a signature by any of them is accepted." }),
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
    .meta({ description: "The limit of accepted calls, at each API; null: no limit." }),
};
const guardCodec = fieldGroup(guardFields);
const shownGuards = toShown(z.strictObject(guardFields));

const hookName = lineField("a name").min(1).max(100).nullable().default(null);

/**
 * The body of `POST /v1/functions/{name}/hooks`; `tag`: the revision that is triggered, in place of the traffic;
 * `maxAttempts`: how often a call is tried, the first attempt included; `queueFields`: where its calls stand.
 */
export const hookInput = z
  .strictObject({
    name: hookName,
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
  tag: z
    .string()
    .nullable()
    .meta({ description: "The tag of the revision that it calls; null: according to the traffic." }),
  maxAttempts: z.int().meta({ description: "How often a call is tried, including the first attempt." }),
  queue: z.string().meta({ description: "The queue of its calls." }),
  concurrencyKey: z.string().nullable(),
  rateKey: z.string().nullable(),
  priority: z.int(),
  ...shownGuards.shape,
  createdAt: instantOutput,
};
const EXAMPLE_GUARDS = {
  verify: { scheme: "github" as const, secrets: ["SHOP_SECRET"], tolerance: "5m" },
  rate: { limit: 60, per: "1m" },
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
  ...EXAMPLE_GUARDS,
  createdAt: "2026-11-23T20:40:00.000Z",
};

export const hookOutput = z.object(hookFields).meta({ id: "Hook", examples: [EXAMPLE_HOOK] });
export type WireHook = z.output<typeof hookOutput>;

const tokenFields = {
  token: z.string().meta({ description: "Shown only this once." }),
  url: z.string().meta({
    description: "The hook's address: a path, or a full URL if the operator has set BELLHOP_PUBLIC_URL.",
  }),
};
const EXAMPLE_TOKEN = { token: `bhk_${"x".repeat(43)}`, url: `/hooks/bhk_${"x".repeat(43)}` };

export const createdHookOutput = z
  .object({
    ...hookFields,
    ...tokenFields,
  })
  .meta({ id: "CreatedHook", examples: [{ ...EXAMPLE_HOOK, ...EXAMPLE_TOKEN }] });

/** The body of `POST /v1/tasks/{task}/hooks`: where its runs stand, and how often they are tried, is the task's to say. */
export const taskHookInput = z
  .strictObject({ name: hookName, ...guardFields })
  .meta({ examples: [{ name: "the shop", verify: { scheme: "stripe", secrets: ["SHOP_SECRET"] } }] });

const taskHookFields = {
  id: idOutput,
  name: z.string().nullable(),
  ...shownGuards.shape,
  createdAt: instantOutput,
};
const EXAMPLE_TASK_HOOK = {
  id: EXAMPLE_HOOK.id,
  name: "the shop",
  ...EXAMPLE_GUARDS,
  createdAt: EXAMPLE_HOOK.createdAt,
};

export const taskHookOutput = z
  .object(taskHookFields)
  .meta({ id: "TaskHook", examples: [EXAMPLE_TASK_HOOK] });

export const createdTaskHookOutput = z
  .object({ ...taskHookFields, ...tokenFields })
  .meta({ id: "CreatedTaskHook", examples: [{ ...EXAMPLE_TASK_HOOK, ...EXAMPLE_TOKEN }] });

interface TaskHookFacts extends HookGuards {
  id: string;
  name: string | null;
  createdAt: Date;
}

interface HookFacts extends TaskHookFacts {
  tag: string | null;
  maxAttempts: number;
  place: QueuePlace;
}

export function toWireTaskHook({ id, name, verify, rate, createdAt }: TaskHookFacts) {
  const guards = guardCodec.encode({ verify, rate }) as z.output<typeof shownGuards>;
  return { id, name, ...guards, createdAt: createdAt.toISOString() };
}

export function toWireHook({ tag, maxAttempts, place, ...hook }: HookFacts): WireHook {
  return { ...toWireTaskHook(hook), tag, maxAttempts, ...place };
}
