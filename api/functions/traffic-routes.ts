/** Which revisions a function's calls reach: traffic, rollback, tags. */

import { nameField } from "../../core/contracts/common.ts";
import {
  functionNameParam,
  rollbackInput,
  tagInput,
  tagParam,
  trafficInput,
} from "../../core/contracts/function.ts";
import { functionOutput } from "../../core/contracts/function-output.ts";
import { invalidField, notFound } from "../../core/errors.ts";
import type { Db } from "../../core/store/database.ts";
import { moveTag, removeTag } from "../../core/store/functions/tags.ts";
import { changeTraffic, rollBackTraffic } from "../../core/store/functions/traffic.ts";
import { defineRoute, type Route } from "../http/route.ts";
import { announceChange } from "./announce-change.ts";
import { functionAudit as audit } from "./audit-function.ts";
import { requireFunction } from "./function-of-path.ts";
import { readFunction } from "./read-function.ts";
import { requireRevision } from "./require-revision.ts";

const ofFunction = { name: functionNameParam };
const ofTag = { ...ofFunction, tag: tagParam };

export const trafficRoutes: Route[] = [
  defineRoute({
    method: "PUT",
    path: "/v1/functions/:name/traffic",
    operationId: "splitTraffic",
    summary: "Split a function's calls between its revisions",
    access: "deploy",
    audit,
    params: ofFunction,
    body: { schema: trafficInput },
    mayBeMinimal: true,
    answers: { 200: { is: "The function.", schema: functionOutput } },
    errors: { 404: ["not_found"] },
    async handle({ parts, owner: { namespaceId }, params: { name }, body: shares }) {
      const { db } = parts.store;
      const fn = await requireFunction(db, namespaceId, name);
      await changeTraffic(db, fn.id, await toTraffic(db, fn.id, shares));
      await announceChange(parts, fn.id);
      return { status: 200, body: await readFunction(parts, namespaceId, name) };
    },
  }),

  defineRoute({
    method: "POST",
    path: "/v1/functions/:name/rollback",
    operationId: "rollBackTraffic",
    summary: "Restore a function's previous traffic, or give it all to one revision",
    access: "deploy",
    audit,
    params: ofFunction,
    body: { schema: rollbackInput, isOptional: true },
    mayBeMinimal: true,
    answers: { 200: { is: "The function.", schema: functionOutput } },
    errors: { 404: ["not_found"], 409: ["nothing_to_roll_back"] },
    async handle({ parts, owner: { namespaceId }, params: { name }, body: { revision } }) {
      const { db } = parts.store;
      const fn = await requireFunction(db, namespaceId, name);
      if (revision === undefined) await rollBackTraffic(db, fn.id);
      else
        await changeTraffic(db, fn.id, {
          [(await requireRevision(db, fn.id, revision, "revision")).id]: 100,
        });
      await announceChange(parts, fn.id);
      return { status: 200, body: await readFunction(parts, namespaceId, name) };
    },
  }),

  defineRoute({
    method: "PUT",
    path: "/v1/functions/:name/tags/:tag",
    operationId: "moveTag",
    summary: "Put a tag on a revision",
    access: "deploy",
    audit,
    params: ofTag,
    body: { schema: tagInput },
    mayBeMinimal: true,
    answers: { 200: { is: "The function.", schema: functionOutput } },
    errors: { 404: ["not_found"], 422: ["too_many_tags"] },
    async handle({ parts, owner: { namespaceId }, params: { name, tag: named }, body: { revision } }) {
      const { db } = parts.store;
      const fn = await requireFunction(db, namespaceId, name);
      const tag = nameField.safeParse(named);
      if (!tag.success) throw invalidField("tag", tag.error.issues[0]!.message);
      const { id } = await requireRevision(db, fn.id, revision, "revision");
      await db.transaction().execute(async (tx) => {
        await tx.selectFrom("functions").select("id").where("id", "=", fn.id).forUpdate().execute();
        await moveTag(tx, fn.id, tag.data, id);
      });
      await announceChange(parts, fn.id);
      return { status: 200, body: await readFunction(parts, namespaceId, name) };
    },
  }),

  defineRoute({
    method: "DELETE",
    path: "/v1/functions/:name/tags/:tag",
    operationId: "removeTag",
    summary: "Remove a tag",
    access: "deploy",
    audit,
    params: ofTag,
    answers: { 204: { is: "The tag is removed." } },
    errors: { 404: ["not_found"] },
    async handle({ parts, owner, params: { name, tag } }) {
      const fn = await requireFunction(parts.store.db, owner.namespaceId, name);
      if (!(await removeTag(parts.store.db, fn.id, tag))) throw notFound("tag", tag);
      await announceChange(parts, fn.id);
      return { status: 204 };
    },
  }),
];

/** By ids; 422 where a revision is not there, or is named by its id and by its number. */
async function toTraffic(
  db: Db,
  functionId: string,
  shares: Record<string, number>,
): Promise<Record<string, number>> {
  const traffic: Record<string, number> = {};
  for (const [named, percent] of Object.entries(shares)) {
    const { id } = await requireRevision(db, functionId, named, named);
    if (id in traffic) throw invalidField(named, "names a revision that is already named");
    traffic[id] = percent;
  }
  return traffic;
}
