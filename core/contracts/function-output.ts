/** Functions and their revisions as the API shows them. */
import { z } from "zod";
import {
  DEFAULT_FUNCTION_LIMITS,
  effectiveLimits,
  type FunctionLimitCaps,
  type FunctionLimits,
} from "../domain/function-limits.ts";
import { diffEnv, diffFiles, diffLimits, type FileFacts } from "../domain/revision-diff.ts";
import { idOutput, instantOutput } from "./common.ts";
import type { FunctionRevision, FunctionSummary } from "./function.ts";

const limitsOutput = z.object({
  memoryMb: z.int(),
  cpuMs: z.int(),
  wallMs: z.int(),
  concurrency: z.int().nullable(),
  logLines: z.int(),
  resultBytes: z.int(),
  subrequests: z.int(),
});

const EXAMPLE_REVISION = {
  id: "01a20a27-31aa-74f7-8d9e-7c5a4d6f3b10",
  number: 2,
  contentHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  entry: "index.ts",
  limits: DEFAULT_FUNCTION_LIMITS,
  reuse: true,
  coldStartMs: 6.4,
  createdAt: "2026-11-23T20:40:00.000Z",
};

const revisionFields = {
  id: idOutput,
  number: z.int().meta({ description: "Counted from 1 for each function." }),
  contentHash: z.string().meta({
    description:
      "A hash of the sources, the limits and `reuse`, in hex. Revisions with the same hash differ in `env`.",
  }),
  entry: z.string(),
  limits: limitsOutput.meta({
    description: "The effective limits: defaults and the operator's caps applied.",
  }),
  reuse: z.boolean(),
  coldStartMs: z.number().nullable().meta({
    description: "How long its first run waited for its isolate, in milliseconds; null until one has.",
  }),
  createdAt: instantOutput,
};

export const revisionOutput = z
  .object(revisionFields)
  .meta({ id: "Revision", description: "One deploy of a function.", examples: [EXAMPLE_REVISION] });
export type WireRevision = z.output<typeof revisionOutput>;

const env = z.record(z.string(), z.string());

const percent = z.int().meta({ description: "Its share of the function's calls." });

export const listedRevisionOutput = z
  .object({ ...revisionFields, percent, tags: z.array(z.string()) })
  .meta({ id: "ListedRevision", examples: [{ ...EXAMPLE_REVISION, percent: 100, tags: ["beta"] }] });

const fileFacts = z.object({ sha256: z.string().meta({ description: "Hex." }), bytes: z.int() });
const EXAMPLE_FILE = { sha256: EXAMPLE_REVISION.contentHash, bytes: 120 };

export const revisionWithFilesOutput = z
  .object({
    ...revisionFields,
    percent,
    env: env.meta({ description: "What its runs find in `ctx.env`, in addition to secrets." }),
    files: z.record(
      z.string(),
      fileFacts.extend({ source: z.string().optional().meta({ description: "Only with `source=true`." }) }),
    ),
  })
  .meta({
    id: "RevisionWithFiles",
    examples: [
      {
        ...EXAMPLE_REVISION,
        percent: 100,
        env: { GREETING: "hello" },
        files: { "index.ts": EXAMPLE_FILE },
      },
    ],
  });

const functionFields = {
  name: z.string(),
  /** The one that leads: with the largest share, or the first. */
  revision: revisionOutput,
  traffic: z.record(z.string(), z.int()).meta({ description: "Revision id → percent of the calls." }),
  tags: z.record(z.string(), z.string()).meta({ description: "Tag → revision id." }),
  public: z.boolean().meta({ description: "Whether its URL needs no key." }),
  env: env.meta({ description: "Of the leading revision." }),
  createdAt: instantOutput,
  updatedAt: instantOutput,
};
const EXAMPLE_FUNCTION = {
  name: "greet",
  revision: EXAMPLE_REVISION,
  traffic: { [EXAMPLE_REVISION.id]: 100 },
  tags: { beta: EXAMPLE_REVISION.id },
  public: false,
  env: { GREETING: "hello" },
  createdAt: "2026-11-22T09:00:00.000Z",
  updatedAt: "2026-11-23T20:40:00.000Z",
};

export const functionOutput = z
  .object(functionFields)
  .meta({ id: "Function", description: "The current state of a function.", examples: [EXAMPLE_FUNCTION] });
export type WireFunction = z.output<typeof functionOutput>;

const revisionName = z.object({ id: idOutput, number: z.int() });
const EXAMPLE_NAME = { id: EXAMPLE_REVISION.id, number: 2 };

export const deployedFunctionOutput = z
  .object({
    ...functionFields,
    deployed: revisionName.meta({
      description: "The revision of this deploy or change, whether or not it leads.",
    }),
  })
  .meta({ id: "DeployedFunction", examples: [{ ...EXAMPLE_FUNCTION, deployed: EXAMPLE_NAME }] });

const changeOf = <Value extends z.ZodType>(value: Value) => z.object({ from: value, to: value });
const limitChange = changeOf(z.int().nullable()).optional();

export const revisionDiffOutput = z
  .object({
    from: revisionName
      .nullable()
      .meta({ description: "Null for the first revision: then everything is new." }),
    to: revisionName,
    files: z.array(
      z.object({
        path: z.string(),
        change: z.enum(["added", "removed", "changed"]),
        from: fileFacts.nullable(),
        to: fileFacts.nullable(),
      }),
    ),
    limits: z.object({
      memoryMb: limitChange,
      cpuMs: limitChange,
      wallMs: limitChange,
      concurrency: limitChange,
      logLines: limitChange,
      resultBytes: limitChange,
      subrequests: limitChange,
    }),
    env: z
      .record(z.string(), changeOf(z.string().nullable()))
      .meta({ description: "By name; null if a revision has no such setting." }),
    entry: changeOf(z.string()).optional(),
    reuse: changeOf(z.boolean()).optional(),
  })
  .meta({
    id: "RevisionDiff",
    description: "Only the differences.",
    examples: [
      {
        from: { id: "01a20a20-1a2b-7d3f-9a61-4be1f7c8d901", number: 1 },
        to: EXAMPLE_NAME,
        files: [{ path: "index.ts", change: "changed", from: EXAMPLE_FILE, to: EXAMPLE_FILE }],
        limits: { memoryMb: { from: 128, to: 256 } },
        env: { GREETING: { from: "hello", to: "good morning" } },
      },
    ],
  });
export type WireRevisionDiff = z.output<typeof revisionDiffOutput>;

/** `caps`: shown are the limits that hold, defaults and caps applied. */
export function toWireFunction(fn: FunctionSummary, caps: FunctionLimitCaps): WireFunction {
  const { revision } = fn;
  return {
    name: fn.name,
    revision: toWireRevision(revision, caps),
    traffic: fn.traffic,
    tags: fn.tags,
    public: fn.isPublic,
    env: fn.env,
    createdAt: fn.createdAt.toISOString(),
    updatedAt: fn.updatedAt.toISOString(),
  };
}

export function toWireRevision(revision: FunctionRevision, caps: FunctionLimitCaps): WireRevision {
  return {
    id: revision.id,
    number: revision.number,
    contentHash: revision.contentHash,
    entry: revision.entry,
    limits: effectiveLimits(revision.limits, caps),
    reuse: revision.reuse,
    coldStartMs: revision.coldStartMs,
    createdAt: revision.createdAt.toISOString(),
  };
}

/** A revision as it is compared with another. */
export interface DescribedRevision {
  revision: FunctionRevision;
  /** Those that hold. */
  limits: FunctionLimits;
  env: Record<string, string>;
  files: Record<string, FileFacts>;
}

/** What changed from one revision to another; without `from` everything is new. Only what differs is told. */
export function toWireDiff(from: DescribedRevision | undefined, to: DescribedRevision): WireRevisionDiff {
  const name = ({ revision }: DescribedRevision) => ({ id: revision.id, number: revision.number });
  return {
    from: from ? name(from) : null,
    to: name(to),
    files: diffFiles(from?.files ?? {}, to.files),
    limits: from ? diffLimits(from.limits, to.limits) : {},
    env: diffEnv(from?.env ?? {}, to.env),
    ...differenceOf("entry", from?.revision, to.revision),
    ...differenceOf("reuse", from?.revision, to.revision),
  };
}

function differenceOf<Name extends "entry" | "reuse">(
  name: Name,
  from: FunctionRevision | undefined,
  to: FunctionRevision,
): { [Key in Name]?: { from: FunctionRevision[Name]; to: FunctionRevision[Name] } } {
  type Difference = { [Key in Name]?: { from: FunctionRevision[Name]; to: FunctionRevision[Name] } };
  return from && from[name] !== to[name]
    ? ({ [name]: { from: from[name], to: to[name] } } as Difference)
    : {};
}
