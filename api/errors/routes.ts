/** `/v1/errors`: runs that failed, grouped by what they have in common. */

import { z } from "zod";
import { pageOf, toPage } from "../../core/contracts/common.ts";
import { errorGroupOutput, errorListQuery, toWireErrorGroup } from "../../core/contracts/error-group.ts";
import type { ErrorState } from "../../core/domain/error-groups.ts";
import { notFound } from "../../core/errors.ts";
import {
  type ErrorGroup,
  type ErrorPosition,
  listErrorGroups,
  setErrorState,
} from "../../core/store/errors/groups.ts";
import { decodeErrorCursor } from "../http/cursor.ts";
import { defineRoute, type Feature } from "../http/route.ts";
import { resolveTaskFilter } from "../tasks/name-task.ts";

const toCursor = ({ seenAtUs, fingerprint }: ErrorPosition) => `${seenAtUs}:${fingerprint}`;

/** Resolving and ignoring differ in their words alone. */
const stateRoute = (
  verb: "resolve" | "ignore",
  state: Exclude<ErrorState, "open">,
  said: { summary: string; description: string },
) =>
  defineRoute({
    method: "POST",
    path: `/v1/errors/:fingerprint/${verb}`,
    operationId: `${verb}Error`,
    ...said,
    access: "write",
    audit: {
      resource: "errors/:fingerprint",
      summarize: ({ state }: z.output<typeof errorGroupOutput>) => ({ state }),
    },
    params: { fingerprint: z.string().meta({ description: "The group's fingerprint." }) },
    answers: { 200: { is: "The group, as changed.", schema: errorGroupOutput } },
    errors: { 404: ["not_found"] },
    async handle({ parts: { store, clock }, owner: { namespaceId }, params: { fingerprint } }) {
      const group = await setErrorState(store, namespaceId, fingerprint, state);
      if (!group) throw notFound("error", fingerprint);
      return { status: 200, body: toWireErrorGroup(group, clock.now()) };
    },
  });

export const errorFeature: Feature = {
  tag: "Errors",
  description: "Runs that failed, are dead or expired, grouped by what they have in common.",
  routes: [
    defineRoute({
      method: "GET",
      path: "/v1/errors",
      operationId: "listErrors",
      summary: "List grouped errors, most recently seen first",
      access: "read",
      query: errorListQuery,
      answers: { 200: { is: "A page of groups.", schema: pageOf(errorGroupOutput) } },
      async handle({ parts: { store, clock }, owner: { namespaceId }, query: given }) {
        const query = await resolveTaskFilter(store, namespaceId, given);
        const { limit, cursor, state: states, function: name, taskId } = query;
        const filter = { states, function: name, taskId };
        const rows = await listErrorGroups(store, namespaceId, filter, limit, decodeErrorCursor(cursor));
        const now = clock.now();
        const toItem = (group: ErrorGroup) => toWireErrorGroup(group, now);
        return { status: 200, body: toPage(rows, limit, toItem, toCursor) };
      },
    }),

    stateRoute("resolve", "resolved", {
      summary: "Resolve an error",
      description: "It is open again as soon as another run fails in this way.",
    }),

    stateRoute("ignore", "ignored", {
      summary: "Ignore an error",
      description: "It stays ignored, but is still counted.",
    }),
  ],
};
