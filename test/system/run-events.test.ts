/** Every state of a run, reached by requests and told to a follower whose connection breaks again and again; and grouped errors. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { WireErrorGroup } from "../../core/contracts/error-group.ts";
import type { WireEvent } from "../../core/contracts/event.ts";
import { RUN_EVENTS, TASK_EVENTS } from "../../core/domain/events.ts";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { eventually, type Listed } from "./runs.ts";

/** The follower leaves after so many events, and comes again. */
const EVENTS_OF_A_CONNECTION = 4;
const THROWER = `export default (order) => { throw new Error("order " + order + " is not there"); }`;

/** Told where something else stands still: expectations.test.ts, core/store/expectations/watch.test.ts. */
const OF_EXPECTATIONS = new Set(["run.late", "run.overran", "task.late"]);

describe("events and errors", () => {
  let cluster: Cluster;
  let sink: HttpSink;

  before(async () => {
    sink = await createHttpSink();
    sink.reply = ({ url }) => ({ status: url === "/gone" ? 404 : 200 });
    cluster = await startCluster({ schedulers: 0, workers: 0 });
  });
  after(async () => {
    await cluster?.stop();
    await sink?.close();
  });

  const post = <T = { id: string }>(path: string, body: object = {}) =>
    cluster.api.call<T>("POST", path, body);
  const makeTask = (more: object = {}) => post("/v1/tasks", { type: "http", url: `${sink.url}/`, ...more });

  /** What a follower has seen so far, on whatever connection. */
  function follow() {
    const leave = new AbortController();
    const seen: WireEvent[] = [];
    const connected = Promise.withResolvers<void>();
    const readOnce = async () => {
      const lastId = seen.at(-1)?.id;
      const response = await fetch(`${cluster.api.url}/v1/events?follow=true`, {
        headers: {
          ...{ authorization: `Bearer ${cluster.api.key}`, accept: "text/event-stream" },
          ...(lastId === undefined ? {} : { "last-event-id": lastId }),
        },
        signal: leave.signal,
      });
      assert.equal(response.status, 200);
      connected.resolve();
      let text = "";
      let left = EVENTS_OF_A_CONNECTION;
      for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
        const parts = (text + part).split("\n\n");
        text = parts.pop()!;
        for (const one of parts.slice(0, left)) {
          const [, data] = /^id: \S+\ndata: (.*)$/.exec(one) ?? [];
          if (data === undefined) continue;
          seen.push(JSON.parse(data));
          left -= 1;
          if (left === 0) return;
        }
      }
    };
    const reading = (async () => {
      while (!leave.signal.aborted) await readOnce();
    })().catch((error: unknown) => {
      if (!leave.signal.aborted) throw error;
    });
    return {
      seen,
      connected: connected.promise,
      async stop() {
        leave.abort();
        await reading;
      },
    };
  }

  async function listAll(): Promise<WireEvent[]> {
    const all: WireEvent[] = [];
    for (let after = ""; ; ) {
      const page: Listed<WireEvent> = await cluster.api.call("GET", `/v1/events?limit=7${after}`);
      all.push(...page.items);
      if (page.nextCursor === null) return all;
      after = `&after=${page.nextCursor}`;
    }
  }

  const isOf =
    (taskId: string) =>
    ({ data }: WireEvent) =>
      "taskId" in data && data.taskId === taskId;

  it("tells each state that a run and a task may take, once and in order, through dropped connections", async () => {
    const follower = follow();
    await follower.connected;
    const untilTold = (type: string, taskId: string) =>
      eventually(
        `${type} of ${taskId}`,
        async () => follower.seen,
        (seen) => seen.some((event) => event.type === `bellhop.${type}` && isOf(taskId)(event)),
      );

    // While there is no scheduler an instant passes: a pause records it as skipped.
    const missed = await makeTask({ schedule: { every: "1s" } });
    await eventually(
      "an instant that passed",
      () => cluster.api.call<{ nextRunAt: string }>("GET", `/v1/tasks/${missed.id}`),
      ({ nextRunAt }) => Date.parse(nextRunAt) < Date.now(),
    );
    await post(`/v1/tasks/${missed.id}/pause`);
    await untilTold("run.skipped", missed.id);
    await cluster.api.call("PATCH", `/v1/tasks/${missed.id}`, { name: "hourly", schedule: { every: "1h" } });
    await post(`/v1/tasks/${missed.id}/resume`);

    // While there is no worker a run waits until its ttl is over, and another one is cancelled.
    await cluster.startScheduler();
    const late = await makeTask({ ttl: "1s", schedule: { delay: "1s" } });
    const unwanted = await makeTask();
    await untilTold("run.queued", unwanted.id);
    await post(`/v1/tasks/${unwanted.id}/cancel`);
    await untilTold("run.cancelled", unwanted.id);
    await untilTold("run.expired", late.id);

    await cluster.startWorker();
    const fine = await makeTask();
    await untilTold("run.succeeded", fine.id);
    const failing = await makeTask({ url: `${sink.url}/gone`, deadLetter: false });
    await untilTold("run.failed", failing.id);
    const dying = await makeTask({ url: `${sink.url}/gone` });
    await untilTold("run.dead", dying.id);
    await cluster.api.call("DELETE", `/v1/tasks/${missed.id}`);
    await untilTold("task.deleted", missed.id);
    // What was done is told of after what became of it.
    await eventually(
      "the entry of the audit log for the deletion",
      async () => follower.seen,
      (seen) => seen.some(({ type }) => type === "bellhop.audit.deleteTask"),
    );
    await follower.stop();

    const typesOf = (taskId: string) =>
      follower.seen.filter(isOf(taskId)).map(({ type }) => type.slice("bellhop.".length));
    const ofTask = (type: string) => type.startsWith("task.");
    assert.deepEqual(typesOf(missed.id).filter(ofTask), [
      ...["task.created", "task.paused", "task.changed", "task.resumed", "task.cancelled", "task.deleted"],
    ]);
    assert.deepEqual(typesOf(late.id), ["task.created", "task.completed", "run.queued", "run.expired"]);
    assert.deepEqual(typesOf(unwanted.id), ["task.created", "run.queued", "task.cancelled", "run.cancelled"]);
    for (const [task, end] of [
      [fine, "succeeded"],
      [failing, "failed"],
      [dying, "dead"],
    ] as const)
      assert.deepEqual(typesOf(task.id), ["task.created", "run.queued", "run.started", `run.${end}`]);
    const told = new Set(follower.seen.map(({ type }) => type));
    const types = [
      ...RUN_EVENTS.map((event) => `run.${event}`),
      ...TASK_EVENTS.map((event) => `task.${event}`),
    ];
    for (const type of types.filter((type) => !OF_EXPECTATIONS.has(type)))
      assert.ok(told.has(`bellhop.${type}`), type);
    assert.deepEqual(await listAll(), follower.seen);
  });

  it("groups the failures of two functions that are of one kind", async () => {
    for (const [name, order] of [
      ["one", 17],
      ["other", 18],
    ] as const) {
      await cluster.api.call("PUT", `/v1/functions/${name}`, { source: THROWER });
      const response = await fetch(`${cluster.api.url}/v1/functions/${name}/invoke`, {
        method: "POST",
        headers: { authorization: `Bearer ${cluster.api.key}` },
        body: String(order),
      });
      assert.equal(response.status, 500, await response.text());
    }
    const errors = await eventually(
      "both failures in one group",
      () => cluster.api.call<Listed<WireErrorGroup>>("GET", "/v1/errors?function=one"),
      ({ items }) => items[0]?.count === 2,
    );
    const [error] = errors.items;
    assert.deepEqual(
      [errors.items.length, error!.code, error!.state, error!.sampleRunIds.length],
      [1, "function_error", "open", 2],
    );
    assert.match(error!.message, /order 1[78] is not there/);
    const others = await cluster.api.call<Listed<WireErrorGroup>>("GET", "/v1/errors?function=other");
    assert.deepEqual(others.items, errors.items);
    const resolved = await post<WireErrorGroup>(`/v1/errors/${error!.fingerprint}/resolve`);
    assert.equal(resolved.state, "resolved");
  });
});
