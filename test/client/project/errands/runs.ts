/** Runs, what fails, queues, many at once, events. */
import { type operations, unwrap } from "bellhop/client";
import { bellhop, deploy, type Errands, ended, expect, gone, makeTask, sink, until } from "./shared.ts";

type Bulk = NonNullable<operations["createBulkAction"]["requestBody"]>["content"]["application/json"];

const inPath = (id: string) => ({ path: { id } });

/** A dead letter of a task that fails. */
async function fail(taskId: string): Promise<string> {
  const run = await unwrap(bellhop.POST("/v1/tasks/{id}/run", { params: inPath(taskId) }));
  expect((await ended(run.id)).state === "dead", "it failed");
  return run.id;
}

/** It has ended. */
const settled = (id: string) =>
  until(async () => {
    const bulk = await unwrap(bellhop.GET("/v1/bulk/{id}", { params: inPath(id) }));
    return bulk.state === "running" ? undefined : bulk;
  });

export const runs: Errands = {
  async "replay a run, read its log"() {
    await deploy("echo", "export default (input, ctx) => { ctx.log.info('called'); return input; };");
    const asked = await bellhop.POST("/v1/functions/{name}/invoke", {
      params: { path: { name: "echo" }, header: { prefer: "respond-async" } },
      body: { n: 1 },
    });
    const first = await ended(asked.response.headers.get("bellhop-run-id")!);
    const again = await unwrap(
      bellhop.POST("/v1/runs/{id}/replay", { params: inPath(first.id), body: { input: { n: 2 } } }),
    );
    expect(JSON.stringify((await ended(again.id)).result) === '{"n":2}', "with another input");
    const lines = await unwrap(bellhop.GET("/v1/runs/{id}/logs", { params: inPath(again.id) }));
    expect(lines.items[0]!.message === "called", "its line");
    const { items } = await unwrap(
      bellhop.GET("/v1/runs", { params: { query: { function: "echo", count: "estimate" } } }),
    );
    expect(items.length === 2, "both");
  },

  async "dead letters and what they have in common"() {
    await deploy("unlucky", "export default () => { throw new Fatal('no luck'); };");
    const task = await makeTask({ type: "function", function: "unlucky", schedule: { delay: "10d" } });
    const [first, second] = [await fail(task.id), await fail(task.id)];
    const letters = await unwrap(
      bellhop.GET("/v1/dead-letters", { params: { query: { function: "unlucky" } } }),
    );
    expect(letters.items.length === 2, "both");
    const group = await until(async () => (await unwrap(bellhop.GET("/v1/errors"))).items[0]);
    const params = { path: { fingerprint: group.fingerprint } };
    await unwrap(bellhop.POST("/v1/errors/{fingerprint}/resolve", { params }));
    await unwrap(bellhop.POST("/v1/errors/{fingerprint}/ignore", { params }));
    await unwrap(bellhop.POST("/v1/dead-letters/{id}/redrive", { params: inPath(first) }));
    expect((await ended(first)).state === "dead", "no luck again");
    const all = await unwrap(bellhop.POST("/v1/dead-letters/redrive", { body: { taskId: task.id } }));
    expect(all.redriven === 2, "all of them");
    await ended(second);
    await gone(bellhop.DELETE("/v1/dead-letters/{id}", { params: inPath(second) }));
  },

  async "limit a queue, pause it, cancel what waits, delete it"() {
    const params = { path: { name: "mail" } };
    await unwrap(
      bellhop.PUT("/v1/queues/{name}", { params, body: { concurrency: 5, rate: { limit: 100, per: "1m" } } }),
    );
    expect((await unwrap(bellhop.POST("/v1/queues/{name}/pause", { params }))).paused, "paused");
    const task = await makeTask({ type: "http", url: sink, queue: "mail", schedule: { delay: "10d" } });
    const run = await unwrap(bellhop.POST("/v1/tasks/{id}/run", { params: inPath(task.id) }));
    await until(async () => {
      const { waitingFor } = await unwrap(bellhop.GET("/v1/queues/{name}", { params }));
      return waitingFor.paused === 1 || undefined;
    });
    await unwrap(bellhop.POST("/v1/runs/{id}/cancel", { params: inPath(run.id) }));
    await unwrap(bellhop.POST("/v1/queues/{name}/resume", { params }));
    const { items } = await unwrap(bellhop.GET("/v1/queues"));
    expect(items.map(({ name }) => name).join() === "default,mail", "listed");
    await gone(bellhop.DELETE("/v1/tasks/{id}", { params: inPath(task.id) }));
    await gone(bellhop.DELETE("/v1/queues/{name}", { params }));
  },

  async "one run for many calls"() {
    const call = (event: number) =>
      bellhop.POST("/v1/functions/{name}/invoke", {
        params: {
          ...{ path: { name: "echo" }, header: { prefer: "respond-async" } },
          query: { collect: JSON.stringify({ size: 2, wait: "1m" }) } as never,
        },
        body: { event },
      });
    const [one, other] = [await call(1), await call(2)];
    const id = one.response.headers.get("bellhop-run-id")!;
    expect(other.response.headers.get("bellhop-run-id") === id, "the same run");
    expect(JSON.stringify((await ended(id)).result) === '[{"event":1},{"event":2}]', "both inputs");
  },

  async "change many at once, count before, stop it, erase"() {
    const pauseAll = { action: "pause", resource: "tasks", filter: { label: ["app=set"] } } satisfies Bulk;
    const counted = await unwrap(bellhop.POST("/v1/bulk", { body: { ...pauseAll, dryRun: true } }));
    expect(counted.matched === 1, "one");
    const { id } = (await unwrap(bellhop.POST("/v1/bulk", { body: pauseAll }))) as { id: string };
    expect((await settled(id)).done === 1, "paused");
    expect(
      (await unwrap(bellhop.GET("/v1/bulk"))).items.some((each) => each.id === id),
      "listed",
    );
    const erase = { ...pauseAll, action: "erase" } satisfies Bulk;
    const erasure = (await unwrap(bellhop.POST("/v1/bulk", { body: erase }))) as { id: string };
    await unwrap(bellhop.POST("/v1/bulk/{id}/abort", { params: inPath(erasure.id) }));
    await settled(erasure.id);
  },

  async "read events, and follow them"() {
    const { items } = await unwrap(bellhop.GET("/v1/events", { params: { query: { limit: 5 } } }));
    expect(items.length === 5, "events");
    const leaving = new AbortController();
    const { data } = await bellhop.GET("/v1/events", {
      params: { query: { follow: "true" } },
      ...{ parseAs: "stream", signal: leaving.signal },
    });
    await makeTask({ type: "http", url: sink, name: "followed" });
    const stream = data as unknown as ReadableStream<Uint8Array>;
    const reader = stream.pipeThrough(new TextDecoderStream() as never).getReader();
    const { value } = await reader.read();
    expect(String(value).includes("bellhop."), "an event");
    leaving.abort();
  },
};
