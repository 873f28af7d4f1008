/** Revisions: the list, one with its files, what changed between two. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { listQuery, pageOf, toPage } from "../../core/contracts/common.ts";
import { type FunctionRevision, functionNameParam, revisionParam } from "../../core/contracts/function.ts";
import {
  type DescribedRevision,
  listedRevisionOutput,
  revisionDiffOutput,
  revisionWithFilesOutput,
  toWireDiff,
  toWireRevision,
} from "../../core/contracts/function-output.ts";
import { effectiveLimits } from "../../core/domain/function-limits.ts";
import type { FileFacts } from "../../core/domain/revision-diff.ts";
import { notFound } from "../../core/errors.ts";
import type { Db } from "../../core/store/database.ts";
import {
  findRevision,
  findRevisionBefore,
  listRevisions,
  loadDeployedContent,
} from "../../core/store/functions/revisions.ts";
import type { ApiParts } from "../environment.ts";
import { decodeNumberCursor } from "../http/cursor.ts";
import { defineRoute, type Route } from "../http/route.ts";
import { requireFunctionEver } from "./function-of-path.ts";
import { requireRevision } from "./require-revision.ts";

const ofFunction = { name: functionNameParam };
const ofRevision = { ...ofFunction, revision: revisionParam };

const diffQuery = z.object({
  from: z
    .string()
    .max(64)
    .optional()
    .meta({ description: "A revision's id or number; else the one that was deployed before." }),
});
const sourceQuery = z.object({
  source: z.enum(["true", "false"]).default("false").meta({ description: "Whether files come with text." }),
});

export const revisionRoutes: Route[] = [
  defineRoute({
    method: "GET",
    path: "/v1/functions/:name/revisions",
    operationId: "listRevisions",
    summary: "List a function's revisions, newest first",
    access: "read",
    params: ofFunction,
    query: listQuery,
    answers: { 200: { is: "A page of revisions.", schema: pageOf(listedRevisionOutput) } },
    errors: { 404: ["not_found"] },
    async handle({ parts: { store, functionCaps }, owner, params: { name }, query: { limit, cursor } }) {
      const fn = await requireFunctionEver(store.db, owner.namespaceId, name);
      const rows = await listRevisions(store.db, fn.id, limit, decodeNumberCursor(cursor));
      const toItem = (revision: FunctionRevision) => ({
        ...toWireRevision(revision, functionCaps),
        percent: fn.traffic[revision.id] ?? 0,
        tags: Object.keys(fn.tags).filter((tag) => fn.tags[tag] === revision.id),
      });
      return { status: 200, body: toPage(rows, limit, toItem, ({ number }) => String(number)) };
    },
  }),

  defineRoute({
    method: "GET",
    path: "/v1/functions/:name/revisions/:revision",
    operationId: "getRevision",
    summary: "Get a revision with its files",
    access: "read",
    params: ofRevision,
    query: sourceQuery,
    answers: { 200: { is: "The revision.", schema: revisionWithFilesOutput } },
    errors: { 404: ["not_found"] },
    async handle({ parts: { store, functionCaps }, owner, params, query: { source } }) {
      const fn = await requireFunctionEver(store.db, owner.namespaceId, params.name);
      const revision = await findOrRefuse(store.db, fn.id, params.revision);
      const { files: sources, env } = await loadDeployedContent(store.db, revision.id);
      const files = Object.entries(sources).map(([path, text]) => [
        path,
        { ...describeFile(text), ...(source === "true" ? { source: text } : {}) },
      ]);
      return {
        status: 200,
        body: {
          ...toWireRevision(revision, functionCaps),
          percent: fn.traffic[revision.id] ?? 0,
          env,
          files: Object.fromEntries(files),
        },
      };
    },
  }),

  defineRoute({
    method: "GET",
    path: "/v1/functions/:name/revisions/:revision/diff",
    operationId: "diffRevisions",
    summary: "Tell what changed from one revision to another",
    access: "read",
    params: ofRevision,
    query: diffQuery,
    answers: { 200: { is: "The difference.", schema: revisionDiffOutput } },
    errors: { 404: ["not_found"] },
    async handle({ parts, owner, params, query }) {
      const { db } = parts.store;
      const fn = await requireFunctionEver(db, owner.namespaceId, params.name);
      const to = await findOrRefuse(db, fn.id, params.revision);
      const from =
        query.from === undefined
          ? await findRevisionBefore(db, fn.id, to)
          : await requireRevision(db, fn.id, query.from, "from");
      return {
        status: 200,
        body: toWireDiff(from && (await describe(parts, from)), await describe(parts, to)),
      };
    },
  }),
];

async function findOrRefuse(db: Db, functionId: string, named: string): Promise<FunctionRevision> {
  const revision = await findRevision(db, functionId, named);
  if (!revision) throw notFound("revision", named);
  return revision;
}

async function describe(
  { store, functionCaps }: Pick<ApiParts, "store" | "functionCaps">,
  revision: FunctionRevision,
): Promise<DescribedRevision> {
  const { files: sources, env } = await loadDeployedContent(store.db, revision.id);
  const files = Object.entries(sources).map(([path, text]) => [path, describeFile(text)] as const);
  const limits = effectiveLimits(revision.limits, functionCaps);
  return { revision, limits, env, files: Object.fromEntries(files) };
}

/** Two revisions differ in a file where its hashes do. */
function describeFile(text: string): FileFacts {
  return { sha256: createHash("sha256").update(text).digest("hex"), bytes: Buffer.byteLength(text) };
}
