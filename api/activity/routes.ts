/** `/v1/activity`: what went on, over time. */
import { activityOutput, activityQuery, toWireActivity } from "../../core/contracts/activity.ts";
import { divideSpan } from "../../core/domain/activity.ts";
import { isOperator } from "../../core/domain/scopes.ts";
import { readActivity } from "../../core/store/activity/read-activity.ts";
import { defineRoute, type Feature } from "../http/route.ts";

export const activityFeature: Feature = {
  tag: "Activity",
  description: "The namespace's activity over time.",
  routes: [
    defineRoute({
      method: "GET",
      path: "/v1/activity",
      operationId: "readActivity",
      summary: "Read the activity, minute by minute",
      description:
        "Ended runs by outcome, lateness, backlog and workers. Schedulers count every ten seconds; a day is kept.",
      access: "read",
      query: activityQuery,
      answers: { 200: { is: "Slices of the requested period.", schema: activityOutput } },
      async handle({ parts: { store, clock }, owner: { namespaceId, scopes }, query: { within } }) {
        const span = divideSpan(clock.now(), within);
        const slices = await readActivity(store, namespaceId, span, isOperator(scopes));
        return { status: 200, body: toWireActivity(span, slices) };
      },
    }),
  ],
};
