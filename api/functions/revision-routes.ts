/** Revisions: the list, one with its files, what changed between two. */
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
  describeDeployedContent,
  findRevision,
  findRevisionBefore,
  listRevisions,
  loadSources,
} from "../../core/store/functions/revisions.ts";
import { newId } from "../../core/store/ids.ts";
import type { KeyOwner } from "../../core/store/keys.ts";
import { holdBytes } from "../bodies/receive-body.ts";
import type { Edge } from "../edge/edge.ts";
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
    .meta({ description: "A revision's id or number; default: the previously deployed one." }),
});
const sourceQuery = z.object({
  source: z
    .enum(["true", "false"])
    .default("false")
    .meta({ description: "Whether files come with their contents." }),
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
    errors: { 404: ["not_found"], 503: ["too_many_bodies"] },
    async handle({ parts: { store, functionCaps, edge }, owner, params, query: { source } }) {
      const fn = await requireFunctionEver(store.db, owner.namespaceId, params.name);
      const revision = await findOrRefuse(store.db, fn.id, params.revision);
      const { files: facts, env } = await describeDeployedContent(store.db, revision.id);
      const files = source === "true" ? await withSources(store.db, edge, owner, revision, facts) : facts;
      return {
        status: 200,
        body: {
          ...toWireRevision(revision, functionCaps),
          percent: fn.traffic[revision.id] ?? 0,
          env,
          files,
        },
      };
    },
  }),

  defineRoute({
    method: "GET",
    path: "/v1/functions/:name/revisions/:revision/diff",
    operationId: "diffRevisions",
    summary: "Show what changed from one revision to another",
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
  const { files, env } = await describeDeployedContent(store.db, revision.id);
  const limits = effectiveLimits(revision.limits, functionCaps);
  return { revision, limits, env, files };
}

/** They come as they went: while they are read they count like an upload. */
async function withSources(
  db: Db,
  edge: Edge,
  { namespaceId }: Pick<KeyOwner, "namespaceId">,
  revision: FunctionRevision,
  facts: Record<string, FileFacts>,
): Promise<Record<string, FileFacts & { source: string }>> {
  const held = holdBytes({ bodies: edge.uploads }, { namespaceId, functionId: newId() });
  try {
    held.add(Object.values(facts).reduce((sum, { bytes }) => sum + bytes, 0));
    const sources = await loadSources(db, revision.id);
    const files = Object.entries(facts).map(([path, each]) => [path, { ...each, source: sources[path]! }]);
    return Object.fromEntries(files);
  } finally {
    held.release();
  }
}
