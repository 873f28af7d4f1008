/** What an operator lets a namespace have, and what it has of that. */
import {
  namespaceLimitsInput,
  namespaceLimitsOutput,
  toWireCount,
  toWireNamespaceLimits,
  usageOutput,
} from "../../core/contracts/namespace-limits.ts";
import {
  type CountedLimit,
  MAX_COUNTED,
  type NamespaceLimits,
  NO_NAMESPACE_LIMITS,
  runsAtOnce,
} from "../../core/domain/namespace-limits.ts";
import { formatDuration } from "../../core/duration.ts";
import { countDailyRuns } from "../../core/store/daily-runs.ts";
import type { KeyOwner } from "../../core/store/keys.ts";
import { countUnderWay, settleNamespaceConcurrency } from "../../core/store/limits/namespace-concurrency.ts";
import { countUsed, saveNamespaceLimits } from "../../core/store/namespace-limits.ts";
import { findNamespace } from "../../core/store/namespaces.ts";
import { countOpenStreams } from "../../core/store/open-streams.ts";
import { findStoredBytes } from "../../core/store/stored-bytes.ts";
import { countSlots } from "../../core/store/workers.ts";
import { bucketOf } from "../auth/request-rates.ts";
import type { ApiParts } from "../environment.ts";
import { defineRoute, type Route } from "../http/route.ts";
import { announceLimit } from "../queues/announce-queue.ts";
import { namespaceAudit, noNamespace, params, readName } from "./name-of-path.ts";

export const limitRoutes: Route[] = [
  defineRoute({
    method: "PUT",
    path: "/v1/namespaces/:name/limits",
    operationId: "putNamespaceLimits",
    summary: "Set a namespace's limits",
    description:
      "Replaces all limits: what is left out is not limited. They take effect within a second, for requests from then on; existing resources stay.",
    access: "operator",
    audit: namespaceAudit,
    params,
    body: { schema: namespaceLimitsInput },
    answers: { 200: { is: "The limits, as changed.", schema: namespaceLimitsOutput } },
    errors: { 404: ["not_found"] },
    async handle({ parts, params: { name }, body }) {
      const saved = await saveNamespaceLimits(parts.store, readName(name), body);
      if (!saved) throw noNamespace(name);
      parts.notifier.notify("bellhop_keys");
      await parts.afterCommit(({ daily }) => daily.refresh());
      await announceLimit(parts, (store) => settleNamespaceConcurrency(store, saved));
      return { status: 200, body: toWireNamespaceLimits(body) };
    },
  }),

  defineRoute({
    method: "GET",
    path: "/v1/namespaces/:name/limits",
    operationId: "getNamespaceLimits",
    summary: "Show a namespace's limits",
    access: "operator",
    params,
    answers: { 200: { is: "All limits; null: not limited.", schema: namespaceLimitsOutput } },
    errors: { 404: ["not_found"] },
    async handle({ parts: { store }, params: { name } }) {
      const found = await findNamespace(store, readName(name));
      if (!found) throw noNamespace(name);
      return { status: 200, body: toWireNamespaceLimits(found.limits ?? NO_NAMESPACE_LIMITS) };
    },
  }),

  defineRoute({
    method: "GET",
    path: "/v1/usage",
    operationId: "getUsage",
    summary: "Show the namespace's limits and their usage",
    description: "It counts up to 100,000 tasks, functions and revisions: beyond that `exact` is false.",
    access: "read",
    answers: { 200: { is: "Each limit.", schema: usageOutput } },
    async handle({ parts, owner }) {
      const { namespaceId, namespace } = owner;
      const limits = owner.limits ?? NO_NAMESPACE_LIMITS;
      const count = async (name: CountedLimit) =>
        toWireCount(limits[name], await countUsed(parts.store, namespaceId, name, MAX_COUNTED));
      const [tasks, functions, codeBytes, underWay, begun, stored, open, ofSlots] = await Promise.all([
        count("tasks"),
        count("functions"),
        count("codeBytes"),
        countUnderWay(parts.store, namespaceId, MAX_COUNTED),
        limits.runsPerDay === null ? undefined : countDailyRuns(parts.store, namespaceId),
        limits.storedBytes === null ? undefined : findStoredBytes(parts.store, namespaceId),
        countOpenStreams(parts.store, namespaceId),
        findShare(parts, limits),
      ]);
      const concurrentRuns = toWireCount(limits.concurrentRuns, underWay);
      const slotsShare = toWireCount(ofSlots, underWay);
      const followers = toWireCount(limits.followers, { used: open, isExact: true });
      const runsPerDay = {
        ...toWireCount(limits.runsPerDay, { used: begun?.runs ?? 0, isExact: true }),
        resetsAt: begun?.runs ? begun.resetsAt.toISOString() : null,
      };
      const storedBytes = {
        ...toWireCount(limits.storedBytes, { used: stored?.bytes ?? 0, isExact: true }),
        resetsAt: stored?.roomFrom?.toISOString() ?? null,
      };
      const requests = describeRequests(parts, owner);
      const counts = { tasks, functions, codeBytes, concurrentRuns, slotsShare };
      const more = { runsPerDay, storedBytes, followers, requests };
      return { status: 200, body: { namespace, ...counts, ...more } };
    },
  }),
];

/** So many slots are the namespace's at the moment; null: it has no share. */
async function findShare({ store }: ApiParts, { slotsShare }: NamespaceLimits): Promise<number | null> {
  if (slotsShare === null) return null;
  return runsAtOnce({ slotsShare, concurrentRuns: null }, await countSlots(store));
}

function describeRequests({ requestRates, clock }: ApiParts, owner: KeyOwner) {
  // An operator reads of it too, whose own requests do not count.
  const rate = owner.limits?.requests;
  if (!rate) return { limit: null, used: 0, exact: true, resetsAt: null, per: null };
  const { used, nextInMs } = requestRates.look(bucketOf(owner), rate);
  const resetsAt = used === 0 ? null : new Date(clock.now().getTime() + nextInMs).toISOString();
  return { limit: rate.limit, used, exact: true, resetsAt, per: formatDuration(rate.perMs) };
}
