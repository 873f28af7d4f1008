/** Functions and their revisions on the wire. */
import { z } from "zod";
import type { JsonObject } from "../json.ts";

const source = z.string().min(1).max(1_000_000);

/** The JSON body of `PUT /v1/functions/{name}`: one `source`, or `files` with their `entry`. */
export const functionUpload = z
  .strictObject({
    source: source.optional(),
    files: z.record(z.string().min(1).max(255), z.string().max(1_000_000)).optional(),
    entry: z.string().min(1).max(255).optional(),
  })
  .superRefine((given, context) => {
    if ((given.source === undefined) === (given.files === undefined)) {
      context.addIssue({ code: "custom", path: ["source"], message: "give either source or files" });
    }
    if (given.source !== undefined && given.entry !== undefined) {
      context.addIssue({ code: "custom", path: ["entry"], message: "entry goes with files" });
    }
  });

export type FunctionUpload = z.infer<typeof functionUpload>;

export interface FunctionRevision {
  id: string;
  number: number;
  contentHash: string;
  entry: string;
  createdAt: Date;
}

export interface FunctionSummary {
  id: string;
  name: string;
  createdAt: Date;
  updatedAt: Date;
  revision: FunctionRevision;
}

export function toWireFunction(fn: FunctionSummary): JsonObject {
  const { revision } = fn;
  return {
    name: fn.name,
    revision: {
      id: revision.id,
      number: revision.number,
      contentHash: revision.contentHash,
      entry: revision.entry,
      createdAt: revision.createdAt.toISOString(),
    },
    createdAt: fn.createdAt.toISOString(),
    updatedAt: fn.updatedAt.toISOString(),
  };
}
