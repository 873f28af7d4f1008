/** Functions and their revisions, and how they are written on the wire. */
import { z } from "zod";
import {
  type AskedLimits,
  type FunctionLimitCaps,
  type FunctionLimits,
  MIN_FUNCTION_LIMITS,
} from "../domain/function-limits.ts";
import type { Traffic } from "../domain/traffic.ts";
import { nameField, revisionField } from "./common.ts";

/** Of one source; all together have as many bytes at most. */
const MAX_SOURCE_CHARS = 10_000_000;
const sourceText = z.string().max(MAX_SOURCE_CHARS, "must be at most 10,000,000 characters long");
const source = sourceText.min(1);

/** A whole number from the least that makes sense to the operator's cap; the message says which of the two was passed. */
function limitField(name: keyof FunctionLimits, caps: FunctionLimitCaps) {
  const [min, max] = [MIN_FUNCTION_LIMITS[name], caps[name]];
  const message = `must be a whole number from ${min} to ${max}`;
  const isBeyondCap = (value: number) => Number.isSafeInteger(value) && value > max;
  return z
    .number(message)
    .refine((value) => isBeyondCap(value) || (Number.isSafeInteger(value) && value >= min), message)
    .refine((value) => !isBeyondCap(value), `must be at most ${max}: the operator's cap`)
    .optional();
}

/** `limits` of an upload: each may be left out. */
const limitsField = (caps: FunctionLimitCaps) =>
  z.strictObject({
    memoryMb: limitField("memoryMb", caps),
    cpuMs: limitField("cpuMs", caps),
    wallMs: limitField("wallMs", caps),
    /** As it is shown where nothing is said. */
    concurrency: limitField("concurrency", caps).nullable(),
    logLines: limitField("logLines", caps),
    resultBytes: limitField("resultBytes", caps),
    subrequests: limitField("subrequests", caps),
  });

export const MAX_ENV_NAMES = 100;
export const MAX_ENV_BYTES = 65_536;

/** Of a setting or a secret, as code reads it: `ctx.env.NAME`. */
export const envName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "must be letters, digits and _, not beginning with a digit")
  .refine((name) => name !== "__proto__", "must be another name");

const isPlainText = (text: string) => text.isWellFormed() && !text.includes("\0");
const envText = z.string().refine(isPlainText, "must be text without U+0000");

/** Settings for `ctx.env`. */
const envField = z
  .record(envName, envText)
  .refine((env) => Object.keys(env).length <= MAX_ENV_NAMES, `holds at most ${MAX_ENV_NAMES} names`)
  .refine(
    (env) => Buffer.byteLength(JSON.stringify(env)) <= MAX_ENV_BYTES,
    `holds at most ${MAX_ENV_BYTES} bytes`,
  );

const trafficOption = z.literal([0, 100], "must be 0 or 100").optional();

/** What an upload says besides its files; limits, reuse and env belong to the revision. */
const uploadOptions = (caps: FunctionLimitCaps) =>
  z.object({
    limits: limitsField(caps).default({}),
    /** Whether an isolate may serve one run of the revision after another. */
    reuse: z.boolean().default(true),
    /** All of the function's traffic, or none: then the revision waits. Left out, it is all, unless known content would end a split. */
    traffic: trafficOption,
    tag: nameField.optional(),
    /** Left out, they stay as they are. */
    env: envField.optional(),
    /** Whether the function's URL needs no key; left out, it stays as it is. */
    public: z.boolean().optional(),
  });

/** The JSON body of `PUT /v1/functions/{name}`: one `source`, or `files` with their `entry`; `limits` and `reuse`. */
export const functionUpload = (caps: FunctionLimitCaps) =>
  z
    .strictObject({
      source: source.optional(),
      files: z.record(z.string().min(1).max(255), sourceText).optional(),
      entry: z.string().min(1).max(255).optional(),
      ...uploadOptions(caps).shape,
    })
    .superRefine((given, context) => {
      if ((given.source === undefined) === (given.files === undefined)) {
        context.addIssue({ code: "custom", path: ["source"], message: "give either source or files" });
      }
      if (given.source !== undefined && given.entry !== undefined) {
        context.addIssue({ code: "custom", path: ["entry"], message: "entry needs files" });
      }
    })
    .meta({ examples: [{ source: "export default (input) => ({ hello: input.name });" }] });

/** The body of `PATCH /v1/functions/{name}`: a change without the source. */
export const functionPatch = z
  .strictObject({
    env: z
      .record(envName, envText.nullable())
      .nullable()
      .optional()
      .meta({ description: "Merged into the current settings; null removes one name, or all of them." }),
    traffic: trafficOption.meta({
      description: "All of the traffic, or none, for the revision that this creates; default: all.",
    }),
    tag: nameField.optional().meta({ description: "A tag for that revision." }),
    public: z.boolean().optional(),
  })
  .meta({ examples: [{ env: { GREETING: "good morning", OLD_NAME: null } }] });
export type FunctionPatch = z.output<typeof functionPatch>;

/** What a change of the settings comes to: the bounds are those of an upload. */
export const changedEnv = z.object({ env: envField });

export interface FunctionRevision {
  id: string;
  number: number;
  contentHash: string;
  entry: string;
  /** As the author asked. */
  limits: AskedLimits;
  reuse: boolean;
  /** How long its first run waited for its isolate; null: none has told. */
  coldStartMs: number | null;
  createdAt: Date;
}

export interface FunctionSummary {
  id: string;
  name: string;
  createdAt: Date;
  updatedAt: Date;
  traffic: Traffic;
  /** Tag → revision id. */
  tags: Record<string, string>;
  isPublic: boolean;
  env: Record<string, string>;
  /** The one that leads: with the largest share, or the first. */
  revision: FunctionRevision;
}

/** The body of `PUT …/traffic`: a revision's id or number → whole percent; the shares add up to 100. */
export const trafficInput = z
  .record(
    z.string().max(64),
    z
      .number("must be a whole number from 0 to 100")
      .int("must be a whole number from 0 to 100")
      .min(0, "must be a whole number from 0 to 100")
      .max(100, "must be a whole number from 0 to 100"),
  )
  .refine((shares) => Object.keys(shares).length <= 10, "names at most 10 revisions")
  .refine(
    (shares) => Object.values(shares).reduce((sum, percent) => sum + percent, 0) === 100,
    "the shares must add up to 100",
  )
  .meta({
    description: "A revision's id or number → percent; the shares add up to 100.",
    examples: [{ "1": 90, "2": 10 }],
  });

/** The body of `PUT …/tags/{tag}`: a revision's id or number. */
export const tagInput = z.strictObject({ revision: revisionField }).meta({ examples: [{ revision: 2 }] });

/** The body of `POST …/rollback`: the revision that gets all traffic; without one it is as before the last change. */
export const rollbackInput = z
  .strictObject({ revision: revisionField.optional() })
  .meta({ examples: [{ revision: 1 }] });

export const functionNameParam = nameField.meta({
  description: "The function's name.",
  examples: ["greet"],
});
export const tagParam = nameField.meta({ description: "A tag of the function.", examples: ["beta"] });
export const revisionParam = z
  .string()
  .max(64)
  .meta({ description: "A revision's id or number.", examples: ["2"] });
