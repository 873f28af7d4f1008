/** `/v1/queues`: named sets of runs with limits, and their pauses. */

import { pageOf } from "../../core/contracts/common.ts";
import {
  choosePause,
  pauseInput,
  queueInput,
  queueNameParam,
  queueOutput,
  toWireLimits,
  toWirePause,
  toWireQueue,
} from "../../core/contracts/queue.ts";
import { UNTIL_RESUMED } from "../../core/domain/queue.ts";
import { invalidField, notFound } from "../../core/errors.ts";
import { countQueueRuns } from "../../core/store/queues/count-runs.ts";
import {
  findQueue,
  listQueues,
  lockQueue,
  type Queue,
  removeQueue,
  saveQueue,
} from "../../core/store/queues/queues.ts";
import type { ApiParts } from "../environment.ts";
import type { Entity } from "../http/entity.ts";
import type { AuditSpec } from "../http/route.ts";
import { defineRoute, type Feature } from "../http/route.ts";
import { announceQueue } from "./announce-queue.ts";

/** What runs and waits in a queue is no part of what it is, nor is a pause that ends by itself. */
const queueEntity: Entity = {
  leaves: ["running", "waiting", "oldestWaitingAt", "waitingFor"],
  settle: (queue) =>
    "pausedUntil" in queue && queue.pausedUntil !== null
      ? { ...queue, paused: false, pausedUntil: null }
      : queue,
  async lock(tx, namespaceId, { name }) {
    await lockQueue(tx, namespaceId, name!);
  },
  async read(parts, namespaceId, { name }) {
    const queue = await findQueue(parts.store, namespaceId, name!);
    return queue && (await show(parts, namespaceId, queue));
  },
};

/** Its limits and its pause, without what runs and waits in it. */
const audit: AuditSpec = {
  resource: "queues/:name",
  async read({ parts: { store }, owner: { namespaceId }, params: { name } }) {
    const queue = queueNameParam.safeParse(name).success && (await findQueue(store, namespaceId, name!));
    if (!queue) return undefined;
    return { ...toWireLimits(queue.limits), ...toWirePause(queue.pausedUntil) };
  },
};

export const queueFeature: Feature = {
  tag: "Queues",
  description: "Named sets of runs, with limits that hold across all workers.",
  routes: [
    defineRoute({
      method: "PUT",
      path: "/v1/queues/:name",
      operationId: "putQueue",
      summary: "Create a queue, or change its limits",
      description:
        "Replaces all of its limits: those left out are removed. They apply from the next run that starts.",
      access: "write",
      audit,
      params: { name: queueNameParam },
      body: { schema: queueInput },
      entity: queueEntity,
      mayBeMinimal: true,
      answers: {
        200: { is: "The queue, with its new limits.", schema: queueOutput },
        201: { is: "The new queue.", schema: queueOutput },
      },
      errors: { 409: ["too_many_queues"] },
      async handle({ parts, owner: { namespaceId }, params, body }) {
        const name = requireQueueName(params.name);
        requireFuture(parts, "pausedUntil", body.pausedUntil);
        const { concurrency, rate, perKey, restOn429 } = body;
        const limits = { concurrency, rate, perKey, restOn429 };
        const change = { limits, pausedUntil: choosePause(body) };
        const saved = (await saveQueue(parts.store, namespaceId, name, change))!;
        await announceQueue(parts, saved);
        return { status: saved.isNew ? 201 : 200, body: await show(parts, namespaceId, saved.queue) };
      },
    }),

    defineRoute({
      method: "GET",
      path: "/v1/queues",
      operationId: "listQueues",
      summary: "List the queues by name",
      access: "read",
      answers: { 200: { is: "All queues.", schema: pageOf(queueOutput) } },
      async handle({ parts: { store }, owner: { namespaceId } }) {
        const queues = await listQueues(store, namespaceId);
        const names = queues.map(({ name }) => name);
        const counts = await countQueueRuns(store, namespaceId, names);
        const items = queues.map((queue) => toWireQueue({ ...queue, ...counts.get(queue.name)! }));
        return { status: 200, body: { items, nextCursor: null } };
      },
    }),

    defineRoute({
      method: "GET",
      path: "/v1/queues/:name",
      operationId: "getQueue",
      summary: "Get a queue, with its active and waiting runs",
      access: "read",
      params: { name: queueNameParam },
      entity: queueEntity,
      answers: { 200: { is: "The queue.", schema: queueOutput } },
      errors: { 404: ["not_found"] },
      async handle({ parts, owner: { namespaceId }, params: { name } }) {
        const queue = await findQueue(parts.store, namespaceId, name);
        if (!queue) throw notFound("queue", name);
        return { status: 200, body: await show(parts, namespaceId, queue) };
      },
    }),

    defineRoute({
      method: "DELETE",
      path: "/v1/queues/:name",
      operationId: "deleteQueue",
      summary: "Delete a queue that nothing names",
      access: "write",
      audit,
      params: { name: queueNameParam },
      entity: queueEntity,
      answers: { 204: { is: "The queue is deleted." } },
      errors: { 404: ["not_found"], 409: ["queue_in_use"] },
      async handle({ parts, owner: { namespaceId }, params: { name } }) {
        if (!(await removeQueue(parts.store, namespaceId, name))) throw notFound("queue", name);
        parts.queues.forget(namespaceId, name);
        parts.notifier.notify("bellhop_queues");
        return { status: 204 };
      },
    }),

    defineRoute({
      method: "POST",
      path: "/v1/queues/:name/pause",
      operationId: "pauseQueue",
      summary: "Pause a queue",
      description:
        "None of its runs starts until it is resumed, or until the given instant. Active runs continue.",
      access: "write",
      audit,
      params: { name: queueNameParam },
      body: { schema: pauseInput, isOptional: true },
      entity: queueEntity,
      mayBeMinimal: true,
      answers: { 200: { is: "The queue is paused.", schema: queueOutput } },
      errors: { 404: ["not_found"] },
      async handle({ parts, owner: { namespaceId }, params: { name }, body: { until } }) {
        requireFuture(parts, "until", until);
        return { status: 200, body: await pause(parts, namespaceId, name, until ?? UNTIL_RESUMED) };
      },
    }),

    defineRoute({
      method: "POST",
      path: "/v1/queues/:name/resume",
      operationId: "resumeQueue",
      summary: "Resume a queue",
      access: "write",
      audit,
      params: { name: queueNameParam },
      entity: queueEntity,
      mayBeMinimal: true,
      answers: { 200: { is: "The queue is not paused.", schema: queueOutput } },
      errors: { 404: ["not_found"] },
      async handle({ parts, owner: { namespaceId }, params: { name } }) {
        return { status: 200, body: await pause(parts, namespaceId, name, null) };
      },
    }),
  ],
};

function requireQueueName(text: string): string {
  const name = queueNameParam.safeParse(text);
  if (!name.success) throw invalidField("name", name.error.issues[0]!.message);
  return name.data;
}

function requireFuture({ clock }: ApiParts, field: string, instant: Date | null | undefined): void {
  if (instant && instant <= clock.now()) throw invalidField(field, "must be in the future");
}

async function pause(parts: ApiParts, namespaceId: string, name: string, until: Date | number | null) {
  const paused = await saveQueue(parts.store, namespaceId, name, { pausedUntil: until });
  if (!paused) throw notFound("queue", name);
  await announceQueue(parts, paused);
  return await show(parts, namespaceId, paused.queue);
}

async function show({ store }: ApiParts, namespaceId: string, queue: Queue) {
  const counts = await countQueueRuns(store, namespaceId, [queue.name]);
  return toWireQueue({ ...queue, ...counts.get(queue.name)! });
}
