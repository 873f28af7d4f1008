/** `bellhop.yaml`: what a namespace is to hold. Read strictly, so that a typo is not silently nothing. */
import { dirname, resolve } from "node:path";
import * as z from "zod";
import { usageFailure } from "./failure.ts";
import { parseYaml } from "./task-definition.ts";

const secretNames = z.array(z.string().min(1)).default([]);

const functionEntry = z.strictObject({
  /** A file or a folder, from where bellhop.yaml is. */
  source: z.string().min(1),
  env: z.record(z.string(), z.string()).optional(),
  limits: z.record(z.string(), z.number()).optional(),
  public: z.boolean().optional(),
  reuse: z.boolean().optional(),
  /** Names that have to be there. */
  secrets: secretNames,
});

const manifest = z.strictObject({
  /** Every task gets the label `app` with it; --prune removes tasks by that label. */
  app: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "is letters, digits and . _ -")
    .optional(),
  secrets: secretNames,
  queues: z.record(z.string(), z.record(z.string(), z.unknown()).nullable()).default({}),
  functions: z.record(z.string(), functionEntry).default({}),
  tasks: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
});

export type FunctionEntry = z.output<typeof functionEntry>;
export interface TaskItem extends Record<string, unknown> {
  key: string;
  labels?: Record<string, string>;
}

export interface Manifest {
  app: string | undefined;
  secrets: string[];
  queues: Record<string, Record<string, unknown>>;
  functions: Record<string, FunctionEntry>;
  tasks: TaskItem[];
}

export const APP_LABEL = "app";

/** @param path of the file, which sources stand beside */
export function parseManifest(text: string, path: string): Manifest {
  const result = manifest.safeParse(parseYaml(text, path) ?? {});
  if (!result.success) {
    const lines = result.error.issues.map(
      ({ path: at, message }) => `${at.join(".") || "the file"}: ${message}`,
    );
    throw usageFailure(`${path}: ${lines.join("; ")}`, "docs/cli.md shows what it may hold.");
  }
  const { app, secrets, queues, functions, tasks } = result.data;
  const folder = dirname(path);
  return {
    ...{ app, secrets },
    queues: Object.fromEntries(Object.entries(queues).map(([name, limits]) => [name, limits ?? {}])),
    functions: Object.fromEntries(
      Object.entries(functions).map(([name, fn]) => [name, { ...fn, source: resolve(folder, fn.source) }]),
    ),
    tasks: Object.entries(tasks).map(([key, task]) => toItem(key, task, app)),
  };
}

function toItem(key: string, task: Record<string, unknown>, app: string | undefined): TaskItem {
  const labels = (task["labels"] ?? {}) as Record<string, string>;
  return {
    ...task,
    key,
    ...(app === undefined ? {} : { labels: { ...labels, [APP_LABEL]: app } }),
  } as TaskItem;
}
