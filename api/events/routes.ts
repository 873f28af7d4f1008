/** `/v1/events`: what happens to runs and tasks, and what is changed by the API, as CloudEvents, by page or live. */
import type { Context } from "hono";
import { z } from "zod";
import { pageOf } from "../../core/contracts/common.ts";
import { eventOutput, eventQuery, toWireEvent, type WireEvent } from "../../core/contracts/event.ts";
import {
  type EventPosition,
  FIRST_EVENT,
  parsePosition,
  toPositionText,
} from "../../core/domain/event-position.ts";
import type { EventAudience } from "../../core/domain/events.ts";
import { grants, isOperator } from "../../core/domain/scopes.ts";
import { readEvents, type StoredEvent, settleEvents } from "../../core/store/events/read.ts";
import type { KeyOwner } from "../../core/store/keys.ts";
import { readKey } from "../auth/authenticate.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { readLastEventId } from "../http/last-event-id.ts";
import { refuseLimit } from "../http/refuse-limit.ts";
import { defineRoute, type Feature } from "../http/route.ts";
import { resolveTaskFilter } from "../tasks/name-task.ts";
import type { FollowOptions } from "./follow.ts";

/** Who has just changed something finds it in a page, unless a transaction beside it takes longer than this. */
export const SETTLE_MS = 250;
const NDJSON = "application/x-ndjson" as const;
const SSE = "text/event-stream" as const;

type EventQuery = z.output<typeof eventQuery>;

export const eventFeature: Feature = {
  tag: "Events",
  description: "Events of runs and tasks, and changes, as CloudEvents, by page or live.",
  routes: [
    defineRoute({
      method: "GET",
      path: "/v1/events",
      operationId: "listEvents",
      summary: "List events, oldest first, or follow them",
      description:
        "A page begins with the oldest stored event, or after the one that `after` names. With `follow=true` the response is a stream of new events, from now on or from there: server-sent events if `Accept` asks for them, otherwise NDJSON. A quiet stream sends an empty line, or a comment, every 15 seconds. Keys that may read the audit log (scope `admin`) also get its entries as events.",
      access: "read",
      query: eventQuery,
      headers: {
        accept: z.string().meta({
          description: "`application/x-ndjson` for lines, `text/event-stream` for server-sent events.",
        }),
        "last-event-id": z
          .string()
          .meta({ description: "With `follow=true`: the id of the last event seen." }),
      },
      answers: {
        200: {
          is: "A page of events; or each event as it comes.",
          schema: pageOf(eventOutput),
          content: { [NDJSON]: eventOutput, [SSE]: z.string() },
          headers: ["link", "last-event-id"],
        },
      },
      errors: { 400: ["invalid_input"], 429: ["too_many_followers"] },
      async handle({ parts, context, owner, query: given }) {
        const query = await resolveTaskFilter(parts.store, owner.namespaceId, given);
        if (query.follow === "true") {
          refuseLimit(context);
          return await follow(parts, context, query);
        }
        const { after = FIRST_EVENT, limit, runId, taskId } = query;
        const filter = { runId, taskId, audience: audienceOf(owner) };
        await settleEvents(parts.store, parts.clock, SETTLE_MS);
        const { events, end, hasMore } = await readEvents(
          parts.store,
          owner.namespaceId,
          after,
          limit,
          filter,
        );
        const items = events.map(toWire);
        const nextCursor = hasMore ? toPositionText(end) : null;
        if (!accepts(context, NDJSON)) return { status: 200, body: { items, nextCursor } };
        const headers = nextCursor === null ? {} : { link: linkTo(context, nextCursor) };
        return { status: 200, content: toLines(items), contentType: NDJSON, headers } as const;
      },
    }),
  ],
};

/** Entries of the audit log are for those who may read it. */
function audienceOf({ scopes }: KeyOwner): EventAudience {
  if (isOperator(scopes)) return "operators";
  return grants(scopes, "admin") ? "admins" : "everybody";
}

const toWire = ({ position, audience: _, ...event }: StoredEvent): WireEvent =>
  toWireEvent({ id: toPositionText(position), ...event });

const toLines = (items: WireEvent[]) => items.map((item) => `${JSON.stringify(item)}\n`).join("");

const accepts = (context: Context<ApiEnv>, type: string) =>
  context.req.header("accept")?.includes(type) ?? false;

/** The next page, as RFC 8288 has it: lines leave no room for a cursor. */
function linkTo(context: Context<ApiEnv>, after: string): string {
  const { pathname, searchParams } = new URL(context.req.url);
  searchParams.set("after", after);
  return `<${pathname}?${searchParams}>; rel="next"`;
}

/** The event that was seen last. A reader that reconnects by itself repeats `after`; its header says more. */
function readLastSeen(context: Context<ApiEnv>, after: EventPosition | undefined): EventPosition | undefined {
  return readLastEventId(context, parsePosition) ?? after;
}

async function follow(parts: ApiParts, context: Context<ApiEnv>, { after, runId, taskId }: EventQuery) {
  const owner = context.get("owner");
  const { keyId, namespaceId } = owner;
  const format = accepts(context, SSE) ? "sse" : "ndjson";
  const options: FollowOptions = {
    ...{ namespaceId, keyId, format, filter: { runId, taskId, audience: audienceOf(owner) } },
    after: readLastSeen(context, after),
    watchKey: (onInvalid) => parts.keyring.watch(readKey(context).key!, owner, onInvalid),
    signal: AbortSignal.any([context.req.raw.signal, parts.stopping]),
  };
  // Nobody would read, or leave, what a HEAD gets.
  const isHead = context.req.raw.method === "HEAD";
  const stream = isHead ? undefined : await parts.eventFollowers.follow(owner, options);
  const headers = stream ? { "last-event-id": toPositionText(stream.start) } : {};
  context.header("cache-control", "no-store");
  context.header("x-accel-buffering", "no");
  const contentType = format === "sse" ? SSE : NDJSON;
  return { status: 200, content: stream?.content ?? null, contentType, headers } as const;
}
