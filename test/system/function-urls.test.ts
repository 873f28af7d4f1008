/** Functions at their own URLs, through the real roles: directly to a worker, to one that starts for them, and through the queue. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { after, describe, test } from "node:test";
import { build } from "esbuild";
import { until } from "../../core/store/testing/test-store.ts";
import { createHttpSink } from "../support/http-sink.ts";
import { PATIENT_STOP_MS } from "../support/processes.ts";
import { type Cluster, portOf, startCluster, waitForDirectCalls } from "./cluster.ts";

const sink = await createHttpSink();
after(() => sink.close());
const cluster = await startCluster({ schedulers: 1, workers: 1, env: { WORKER_DRAIN: "5s" } });
after(() => cluster.stop());

interface WireRun {
  state: string;
  trigger: string;
  result: unknown;
  error: { code: string; message: string } | null;
  workerId: string | null;
  startedAt: string;
  finishedAt: string;
}

async function deploy({ api }: Cluster, name: string, source: string, options: object = {}): Promise<void> {
  await api.call("PUT", `/v1/functions/${name}`, { source, public: true, ...options });
}

const at = (path: string, init?: RequestInit) => fetch(`${cluster.api.url}/fn/default${path}`, init);
const runOf = async (response: Response) =>
  await cluster.api.call<WireRun>("GET", `/v1/runs/${response.headers.get("bellhop-run-id")}`);
const problemOf = async (response: Response) =>
  (await response.json()) as { code: string; detail: string; status: number };

/** The run of this function, once it can be seen that it goes on. */
const runningRun = (name: string) =>
  until(async () => {
    const { items } = await cluster.api.call<{ items: { id: string; state: string; function: string }[] }>(
      "GET",
      "/v1/runs?limit=20",
    );
    return items.find((run) => run.function === name && run.state === "running");
  });

await waitForDirectCalls(cluster.api);

describe("a function's URL", () => {
  test("reaches a Hono app of another platform, deployed by one upload, streams included", async () => {
    const contents = `
      import { Hono } from "hono";
      import { streamSSE } from "hono/streaming";
      const app = new Hono();
      app.get("/", (c) => c.text("home"));
      app.get("/notes/:id", (c) => c.json({ id: c.req.param("id"), url: c.req.url }));
      app.post("/echo", async (c) => c.body(await c.req.arrayBuffer(), 201, { "x-method": c.req.method }));
      app.get("/events", (c) => streamSSE(c, async (stream) => {
        for (let i = 0; i < 3; i++) { await stream.writeSSE({ data: String(i) }); await stream.sleep(20); }
      }));
      export default app;`;
    const bundle = await build({
      stdin: { contents, resolveDir: import.meta.dirname },
      bundle: true,
      format: "esm",
      write: false,
      logLevel: "silent",
    });
    await deploy(cluster, "hono", bundle.outputFiles[0]!.text);
    assert.equal(await (await at("/hono")).text(), "home");
    const note = (await (await at("/hono/notes/7?q=1")).json()) as { id: string; url: string };
    assert.equal(note.id, "7");
    assert.match(note.url, /^http:\/\/127\.0\.0\.1:\d+\/notes\/7\?q=1$/);
    const bytes = new Uint8Array(300_000).map((_, i) => i);
    const echo = await at("/hono/echo", { method: "POST", body: bytes });
    assert.equal(echo.status, 201);
    assert.equal(echo.headers.get("x-method"), "POST");
    assert.deepEqual(new Uint8Array(await echo.arrayBuffer()), bytes);
    const missing = await at("/hono/none");
    assert.equal(missing.status, 404);
    assert.equal(await missing.text(), "404 Not Found");
    assert.equal(await (await at("/hono/events")).text(), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
  });

  test("ten megabytes of source, sent as they come, are deployed and answer", async () => {
    const text = "x".repeat(100);
    const lines = Array.from({ length: 76_400 }, (_, n) => `/* ${text} */ all.push(() => ${n});\n`);
    const source = `const all = [];\n${lines.join("")}export default { fetch: () => Response.json(all.at(-1)()) };`;
    assert.ok(source.length > 9_900_000 && source.length <= 10_000_000, String(source.length));
    const form = new FormData();
    form.set("index.js", new File([source], "index.js"));
    form.set("public", "true");
    const { headers, body } = new Response(form);
    const deployed = await fetch(`${cluster.api.url}/v1/functions/large`, {
      ...{ method: "PUT", body, duplex: "half" },
      headers: {
        authorization: `Bearer ${cluster.api.key}`,
        "content-type": headers.get("content-type")!,
      },
    } as RequestInit);
    assert.equal(deployed.status, 201, await deployed.text());
    assert.equal(await (await at("/large")).text(), "76399");
  });

  test("each call is a recorded run, with its log, its status and its size", async () => {
    await deploy(
      cluster,
      "logged",
      "export default { fetch(request, env, ctx) { ctx.log.info('at work', { url: request.url }); return new Response('héllo', { status: 202 }); } };",
    );
    const response = await at("/logged/a?b=c");
    assert.equal(response.status, 202);
    assert.equal(await response.text(), "héllo");
    const run = await runOf(response);
    assert.equal(run.state, "succeeded");
    assert.equal(run.trigger, "http");
    assert.deepEqual(run.result, { status: 202, bodyBytes: 6 });
    const logs = await cluster.api.call<{ items: { message: string }[] }>(
      "GET",
      `/v1/runs/${response.headers.get("bellhop-run-id")}/logs`,
    );
    assert.deepEqual(
      logs.items.map(({ message }) => message),
      ["at work"],
    );
  });

  test("needs a key unless its author says that it is public, and shows the function no key of ours", async () => {
    const source = "export default { fetch: (request) => Response.json([...request.headers.keys()]) };";
    await deploy(cluster, "private", source, { public: false });
    const refused = await at("/private");
    assert.equal(refused.status, 401);
    assert.equal((await problemOf(refused)).code, "unauthenticated");
    const headers = { authorization: `Bearer ${cluster.api.key}`, "x-mine": "1" };
    const seen = (await (await at("/private", { headers })).json()) as string[];
    assert.ok(seen.includes("x-mine"));
    assert.ok(!seen.includes("authorization"));
    await deploy(cluster, "private", source, { public: true });
    const own = (await (
      await at("/private", { headers: { authorization: "Basic eDp5" } })
    ).json()) as string[];
    assert.ok(own.includes("authorization"));
  });

  test("a tag reaches its revision; what is not there answers 404 to who has a key, like the private 401 to others", async () => {
    await deploy(cluster, "tagged", "export default { fetch: () => new Response('old') };");
    await deploy(cluster, "tagged", "export default { fetch: () => new Response('new') };", {
      traffic: 0,
      tag: "next",
    });
    assert.equal(await (await at("/tagged")).text(), "old");
    assert.equal(await (await at("/tagged@next/x")).text(), "new");
    const headers = { authorization: `Bearer ${cluster.api.key}` };
    for (const path of ["/tagged@other", "/nobody"]) {
      assert.equal((await at(path, { headers })).status, 404);
      assert.equal((await at(path)).status, 401);
    }
  });

  test("the function's errors, its limits' and the platform's have codes and statuses of their own", async () => {
    await deploy(cluster, "thrower", "export default { fetch() { throw new Error('my secret plan'); } };");
    const thrown = await at("/thrower");
    assert.equal(thrown.status, 500);
    const problem = await problemOf(thrown);
    assert.equal(problem.code, "function_error");
    assert.doesNotMatch(problem.detail, /secret plan/);
    assert.match((await runOf(thrown)).error!.message, /my secret plan/);
    await deploy(cluster, "sleeper", "export default { fetch: () => new Promise(() => {}) };", {
      limits: { wallMs: 200 },
    });
    const slow = await at("/sleeper");
    assert.equal(slow.status, 504);
    assert.equal((await problemOf(slow)).code, "function_timeout");
    assert.equal((await runOf(slow)).state, "failed");
  });

  test("a call that lasts can be seen and cancelled", async () => {
    await deploy(cluster, "waiter", "export default { fetch: () => new Promise(() => {}) };");
    const calling = at("/waiter");
    const running = await runningRun("waiter");
    await cluster.api.call("POST", `/v1/runs/${running.id}/cancel`);
    const response = await calling;
    assert.equal(response.status, 409);
    assert.equal((await problemOf(response)).code, "run_cancelled");
    assert.equal((await runOf(response)).state, "cancelled");
  });

  test("what a function waits for keeps its run, not its caller", async () => {
    await deploy(
      cluster,
      "later",
      `export default { fetch(_request, _env, ctx) {
        ctx.waitUntil(new Promise((resolve) => ctx.signal.addEventListener("abort", resolve)));
        return new Response("at once");
      } };`,
    );
    const response = await at("/later");
    assert.equal(await response.text(), "at once");
    assert.equal((await runOf(response)).state, "running");
    await cluster.api.call("POST", `/v1/runs/${response.headers.get("bellhop-run-id")}/cancel`);
    await until(async () => ((await runOf(response)).state === "running" ? undefined : true));
  });

  test("a function need not read what it is sent", async () => {
    await deploy(
      cluster,
      "early",
      "export default { fetch: () => new Response('too much', { status: 413 }) };",
    );
    for (let n = 0; n < 5; n += 1) {
      const response = await at("/early", { method: "POST", body: new Uint8Array(600_000) });
      assert.equal(response.status, 413);
      assert.equal(await response.text(), "too much");
    }
  });

  test("a response that breaks off is not taken for a whole one", async () => {
    await deploy(
      cluster,
      "broken",
      `export default { fetch() {
        let sent = false;
        return new Response(new ReadableStream({ pull(controller) {
          if (sent) throw new Error("broke");
          sent = true;
          controller.enqueue(new Uint8Array(10));
        } }));
      } };`,
    );
    const response = await at("/broken");
    assert.equal(response.status, 200);
    await assert.rejects(response.arrayBuffer());
    const run = await until(async () => {
      const found = await runOf(response);
      return found.state === "running" ? undefined : found;
    });
    assert.equal(run.state, "failed");
    const { lines } = cluster.apiProcess;
    const told = await until(async () => lines.filter((line) => line.includes("a response broke off"))[0]);
    assert.match(told, /the function failed while its response was under way/);
    assert.deepEqual(
      lines.filter((line) => /^\s+at |^Error/.test(line)),
      [],
      "no stack on the API's output",
    );
  });

  test("a response that is there as a whole says how long it is, and one of an open stream does not", async () => {
    await deploy(
      cluster,
      "lengths",
      `const open = (bytes) => new ReadableStream({ start(c) { c.enqueue(new Uint8Array(bytes)); c.close(); } });
       const bodies = {
         text: () => "short", long: () => "ü".repeat(70_000), bytes: () => new Uint8Array(10), blob: () => new Blob(["abc"]),
         fixed: () => { const { readable, writable } = new FixedLengthStream(5); const w = writable.getWriter(); w.write(new Uint8Array(5)); w.close(); return readable; },
         stream: () => open(7), waits: () => "later",
       };
       export default { fetch(request, env, ctx) {
         const { pathname } = new URL(request.url);
         const name = pathname.slice(pathname.lastIndexOf("/") + 1);
         if (name === "waits") ctx.waitUntil(scheduler.wait(1));
         return new Response(bodies[name](), { headers: { "content-length": "1234" } });
       } };`,
    );
    for (const [name, length] of Object.entries({
      ...{ text: "5", long: "140000", bytes: "10", blob: "3", fixed: "5", stream: null, waits: "5" },
    })) {
      const response = await at(`/lengths/${name}`);
      assert.equal(response.headers.get("content-length"), length, name);
      assert.equal((await response.arrayBuffer()).byteLength, Number(length ?? 7), name);
      if (length === null) continue;
      const { headers } = await at(`/lengths/${name}`, { method: "HEAD" });
      assert.equal(headers.get("content-length"), length, `HEAD ${name}`);
    }
  });

  test("a response keeps its status text, short or streamed", async () => {
    await deploy(
      cluster,
      "phrases",
      `const bodies = { text: "short", bytes: new Uint8Array(3), none: null };
       export default { fetch(request) {
         const { pathname, search } = new URL(request.url);
         const init = { status: 201, statusText: search.startsWith("?latin") ? "Fertig, schön" : "Made It" };
         return search === "?usual" ? new Response("x", { status: 201 }) : new Response(bodies[pathname.slice(pathname.lastIndexOf("/") + 1)], init);
       } };`,
    );
    for (const [path, text] of Object.entries({
      ...{ text: "Made It", bytes: "Made It", none: "Made It" },
      ...{ "text?latin": "Fertig, schön", "bytes?latin": "Fertig, schön", "text?usual": "Created" },
    })) {
      // Unlike fetch(), it reads a head as Latin-1.
      const [response] = (await once(get(`${cluster.api.url}/fn/default/phrases/${path}`), "response")) as [
        IncomingMessage,
      ];
      response.resume();
      assert.deepEqual([response.statusCode, response.statusMessage], [201, text], path);
    }
  });

  test("two megabytes that a plain function answers come whole at its URL, and are no result", async () => {
    await deploy(cluster, "wide", `export default () => new Response("w".repeat(2_000_000));`);
    const response = await at("/wide");
    assert.equal(response.status, 200);
    assert.equal((await response.text()).length, 2_000_000);
    const { url, key } = cluster.api;
    const invoked = await fetch(`${url}/v1/functions/wide/invoke`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
    });
    assert.equal(invoked.status, 507);
    assert.equal((await problemOf(invoked)).code, "result_too_large");
    const { runId } = await cluster.api.call<{ runId: string }>("POST", "/v1/tasks", {
      type: "function",
      function: "wide",
    });
    const run = await until(async () => {
      const found = await cluster.api.call<WireRun>("GET", `/v1/runs/${runId}`);
      return found.finishedAt ? found : undefined;
    });
    assert.deepEqual([run.error?.code, run.result ?? null], ["result_too_large", null]);
  });

  test("a limit of runs at once holds: what has no permit waits", async () => {
    const source = `let now = 0;
      export default { async fetch() {
        const before = now++;
        await new Promise((resolve) => setTimeout(resolve, 100));
        now--;
        return new Response(String(before));
      } };`;
    await deploy(cluster, "narrow", source, { limits: { concurrency: 1 } });
    const answers = await Promise.all(Array.from({ length: 4 }, () => at("/narrow").then((r) => r.text())));
    assert.deepEqual(answers, ["0", "0", "0", "0"]);
  });

  const TURNS = `
    const encoder = new TextEncoder();
    export default { fetch(request) {
      if (request.method === "POST") return new Response(request.body);
      return new Response(new ReadableStream({
        start(controller) { controller.enqueue(encoder.encode("begun")); },
        cancel() { console.log("cancelled"); },
      }));
    } };`;
  const runsOf = async (name: string) => {
    const path = `/v1/runs?function=${name}&limit=20`;
    return (await cluster.api.call<{ items: (WireRun & { id: string })[] }>("GET", path)).items;
  };
  const untilEnded = (response: Response) =>
    until(async () => {
      const found = await runOf(response);
      return found.state === "running" ? undefined : found;
    });

  /** A stream that goes on for as long as its caller is there. */
  async function openStream(name: string) {
    const leaving = new AbortController();
    const response = await at(`/${name}`, { signal: leaving.signal });
    const reader = response.body!.getReader();
    assert.equal(Buffer.from((await reader.read()).value!).toString(), "begun");
    return { response, leave: () => leaving.abort() };
  }
  const untilQueued = (name: string, count: number) =>
    until(async () => {
      const queued = (await runsOf(name)).filter(({ state }) => state === "queued");
      return queued.length === count ? queued : undefined;
    });

  for (const [what, limit] of [
    ["its function's permit", { limits: { concurrency: 1 } }],
    ["its queue's permit", {}],
  ] as const) {
    test(`a call that waits for ${what} streams both ways once it has it, and ends with its caller`, async () => {
      const name = "limits" in limit ? "turns" : "queued-turns";
      await deploy(cluster, name, TURNS, limit);
      if (!("limits" in limit)) await cluster.api.call("PUT", "/v1/queues/default", { concurrency: 1 });
      const first = await openStream(name);
      const waiting = openStream(name);
      await untilQueued(name, 1);
      const leaving = new AbortController();
      const left = at(`/${name}`, { signal: leaving.signal });
      const [, inLine] = (await untilQueued(name, 2)).map(({ id }) => id).sort();
      const body = Buffer.alloc(3_000_000, "x");
      const echo = at(`/${name}`, { method: "POST", body });
      await untilQueued(name, 3);
      leaving.abort();
      await assert.rejects(left);
      await untilQueued(name, 2);
      first.leave();
      const second = await waiting;
      assert.equal((await runOf(second.response)).state, "running");
      second.leave();
      const ended = await untilEnded(second.response);
      assert.deepEqual([ended.state, ended.result], ["succeeded", { status: 200, bodyBytes: 5 }]);
      const answer = await echo;
      assert.equal(answer.status, 200);
      assert.ok(Buffer.from(await answer.arrayBuffer()).equals(body));
      assert.deepEqual((await untilEnded(answer)).result, { status: 200, bodyBytes: 3_000_000 });
      const cancelled = await cluster.api.call<WireRun>("GET", `/v1/runs/${inLine}`);
      assert.deepEqual([cancelled.state, cancelled.startedAt], ["cancelled", null]);
      if (!("limits" in limit)) await cluster.api.call("PUT", "/v1/queues/default", {});
    });
  }

  test("invoke goes the same way, with its input and its result", async () => {
    await deploy(cluster, "sum", "export default ({ a, b }) => ({ sum: a + b });");
    const response = await fetch(`${cluster.api.url}/v1/functions/sum/invoke`, {
      method: "POST",
      headers: { authorization: `Bearer ${cluster.api.key}`, "content-type": "application/json" },
      body: JSON.stringify({ a: 1, b: 2 }),
    });
    assert.deepEqual(await response.json(), { sum: 3 });
    const run = await runOf(response);
    assert.equal(run.trigger, "invoke");
    assert.deepEqual(run.result, { sum: 3 });
  });

  const PATIENT = `export default { async fetch(request) {
    const text = await request.text();
    return new Response(new TextEncoder().encode(text.length + request.headers.get("x-a")), { status: 203, statusText: "Patient" });
  } };`;
  const asking = { method: "POST", body: "x".repeat(400_000), headers: { "x-a": "!" } };

  test("with no worker ready a caller waits for one, and its call is handed to it, body and all", async () => {
    await deploy(cluster, "patient", PATIENT);
    await Promise.all(cluster.workers.splice(0).map((worker) => worker.stop()));
    const calling = at("/patient", asking);
    const demandUrl = `http://127.0.0.1:${portOf(cluster.schedulers[0]!)}/demand`;
    await until(async () => {
      const { waitingCallers } = (await (await fetch(demandUrl)).json()) as { waitingCallers: number };
      return waitingCallers === 1 ? true : undefined;
    });
    await cluster.startWorker();
    const response = await calling;
    assert.equal(response.status, 203);
    assert.equal(await response.text(), "400000!");
    const run = await until(async () => {
      const found = await runOf(response);
      return found.state === "running" ? undefined : found;
    });
    assert.deepEqual([run.state, run.result], ["succeeded", { status: 203, bodyBytes: 7 }]);
  });

  test("an API that waits for no worker queues the call, body and all", async () => {
    const { client } = await cluster.startApi({ CALL_WORKER_WAIT: "0s" });
    await Promise.all(cluster.workers.splice(0).map((worker) => worker.stop()));
    const calling = fetch(`${client.url}/fn/default/patient`, asking);
    await until(async () => {
      const { items } = await cluster.api.call<{ items: { state: string; function: string }[] }>(
        "GET",
        "/v1/runs?limit=5",
      );
      return items.find((run) => run.function === "patient" && run.state === "queued");
    });
    await cluster.startWorker();
    const response = await calling;
    assert.deepEqual([response.status, response.statusText], [203, "Patient"]);
    assert.equal(await response.text(), "400000!");
    assert.equal((await runOf(response)).state, "succeeded");
  });

  test("a worker that is killed loses its calls, one that is still sent its body too; one that waits behind them has its body whole", async () => {
    await Promise.all(cluster.workers.splice(0).map((worker) => worker.stop()));
    const worker = await cluster.startWorker({ WORKER_LEASE: "5s" });
    await waitForDirectCalls(cluster.api);
    await deploy(cluster, "lasting", "export default { fetch: () => new Promise(() => {}) };");
    const reading = `export default { async fetch(request) {
      await request.body.getReader().read();
      await new Promise(() => {});
    } };`;
    await deploy(cluster, "reading", reading);
    await deploy(cluster, "held", TURNS, { limits: { concurrency: 1 } });
    const { response: held } = await openStream("held");
    const body = Buffer.alloc(3_000_000, "x");
    const waiting = at("/held", { method: "POST", body });
    await untilQueued("held", 1);
    // As much as anybody takes.
    const sent = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) });
    const uploading = at("/reading", { method: "POST", body: sent, duplex: "half" } as RequestInit);
    await runningRun("reading");
    const calling = at("/lasting");
    await runningRun("lasting");
    worker.signal("SIGKILL");
    for (const response of [await calling, await uploading]) {
      assert.equal(response.status, 503);
      assert.equal((await problemOf(response)).code, "worker_lost");
    }
    await assert.rejects(held.text(), "what had begun is broken off");
    cluster.workers.splice(0);
    await cluster.startWorker();
    for (const response of [await calling, await uploading, held]) {
      const lost = await untilEnded(response);
      assert.deepEqual([lost.state, lost.error?.code], ["failed", "worker_lost"]);
    }
    const answer = await waiting;
    assert.equal(answer.status, 200);
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(body));
  });

  /** Calls end when the sink has answered them. */
  function holdBack(path: string): { url: string; answer: () => void } {
    const held = Promise.withResolvers<void>();
    sink.reply = async ({ url }) => {
      if (url === path) await held.promise;
      return {};
    };
    return { url: `${sink.url}${path}`, answer: () => held.resolve() };
  }

  test("a worker that stops lets calls finish, and ends those that last longer than its drain", async () => {
    const held = holdBack("/brief");
    await deploy(
      cluster,
      "brief",
      `export default { async fetch() { await fetch("${held.url}"); return new Response("done"); } };`,
    );
    await waitForDirectCalls(cluster.api);
    const [brief, lasting] = [at("/brief"), at("/lasting")];
    await Promise.all([runningRun("brief"), runningRun("lasting")]);
    const [worker] = cluster.workers.splice(0);
    const stopped = worker!.stop(PATIENT_STOP_MS);
    await worker!.waitForLine(/worker stopping/);
    held.answer();
    await stopped;
    assert.equal(await (await brief).text(), "done");
    const response = await lasting;
    assert.equal(response.status, 503);
    assert.equal((await problemOf(response)).code, "worker_stopped");
    const run = await runOf(response);
    assert.equal(run.state, "failed");
    assert.equal(run.error?.code, "worker_stopped");
  });

  test("an API that stops lets calls finish, and tells those that last longer that their runs go on", async () => {
    await cluster.startWorker();
    await waitForDirectCalls(cluster.api);
    const held = holdBack("/brief");
    await deploy(
      cluster,
      "slow",
      `export default async () => { await fetch("${held.url}"); return "slow"; };`,
    );
    const invoked = fetch(`${cluster.api.url}/v1/functions/slow/invoke`, {
      method: "POST",
      headers: { authorization: `Bearer ${cluster.api.key}` },
    });
    const [brief, lasting] = [at("/brief"), at("/lasting")];
    await Promise.all([runningRun("brief"), runningRun("lasting"), runningRun("slow")]);
    const stopped = cluster.apiProcess.stop(PATIENT_STOP_MS);
    await cluster.apiProcess.waitForLine(/api stopping/);
    held.answer();
    await stopped;
    assert.equal(await (await brief).text(), "done");
    assert.equal(await (await invoked).json(), "slow");
    const response = await lasting;
    assert.equal(response.status, 504);
    assert.equal((await problemOf(response)).code, "run_not_finished");
  });
});
