/**
 * Strangers at a public function who take their time: two workers of four slots, two hundred sockets, and another
 * namespace whose runs must not notice. The API is the real one with less patience (impatient-api.ts).
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { EDGE_LIMITS } from "../../api/edge/edge.ts";
import { until } from "../../core/store/testing/test-store.ts";
import { createRecording } from "../support/recording.ts";
import { createClient, readSample, startCluster, waitForDirectCalls } from "./cluster.ts";
import { makeNamespace } from "./namespaces.ts";
import { dial, type RawCaller } from "./raw-callers.ts";

const SLOTS = 4;
const CALLERS = 200;
/** What a public function may hold of both workers. */
const SHARES = 2 * 3;

const cluster = await startCluster({
  ...{ schedulers: 1, workers: 2, apiFile: "test/system/impatient-api.ts" },
  env: { WORKER_SLOTS: String(SLOTS) },
});
after(() => cluster.stop());
const { api } = cluster;

interface WireRun {
  id: string;
  function: string | null;
  state: string;
  error: { code: string; message: string } | null;
  startedAt: string;
  finishedAt: string;
}

const runsOf = async (name: string): Promise<WireRun[]> => {
  const { items } = await api.call<{ items: WireRun[] }>("GET", "/v1/runs?limit=200");
  return items.filter((run) => run.function === name);
};
const runOf = (id: string) => api.call<WireRun>("GET", `/v1/runs/${id}`);
/** The run, once it has ended. */
const endedRun = (id: string) =>
  until(async () => {
    const run = await runOf(id);
    return run.state === "running" ? undefined : run;
  });
const deploy = (name: string, source: string, options: object = {}) =>
  api.call("PUT", `/v1/functions/${name}`, { source, public: true, ...options });
const at = (path: string, init?: RequestInit) => fetch(`${api.url}/fn/default${path}`, init);
/** Calls that are over, and what they came to does not matter. */
async function endedCalls(): Promise<number> {
  const counts = ["handed_over", "queued", "refused", "lost"].map((outcome) =>
    readSample(cluster.apiProcess, `bellhop_calls_total{outcome="${outcome}",role="api"}`),
  );
  return (await Promise.all(counts)).reduce((sum, each) => sum + each);
}

/** Until no slot is taken any more. */
const untilFree = () =>
  until(async () => {
    const busy = cluster.workers.map((worker) =>
      readSample(worker, 'bellhop_worker_slots_busy{role="worker"}'),
    );
    return (await Promise.all(busy)).every((each) => each === 0) ? true : undefined;
  });

/** How many runs of the function went on at the same time, as their records say. */
async function mostAtOnce(name: string): Promise<number> {
  const steps = (await runsOf(name))
    .flatMap(({ startedAt, finishedAt }) => [
      { at: startedAt, by: 1 },
      { at: finishedAt, by: -1 },
    ])
    // Of one instant, ends come first.
    .sort((a, b) => a.at.localeCompare(b.at) || a.by - b.by);
  let now = 0;
  return Math.max(...steps.map(({ by }) => (now += by)));
}

/** Another namespace: what it asks for must be done as if nobody else were there. */
const neighbour = createClient(api.url, await makeNamespace(cluster.databaseUrl, "other"));
const rung = createRecording<string>("http task");
const target = createServer((request, response) => {
  rung.add(request.url ?? "");
  response.end("ok");
});
before(async () => {
  target.listen(0, "127.0.0.1");
  await once(target, "listening");
  await waitForDirectCalls(api);
  await neighbour.call("PUT", "/v1/functions/add", { source: "export default ({ a, b }) => a + b;" });
  assert.equal(await neighbour.call("POST", "/v1/functions/add/invoke", { a: 1, b: 2 }), 3);
});
after(() => void target.close());

/** An invocation and an http task of the other namespace, both to their ends. */
async function workNextDoor(name: string): Promise<void> {
  const port = (target.address() as AddressInfo).port;
  await neighbour.call("POST", "/v1/tasks", { type: "http", url: `http://127.0.0.1:${port}/${name}` });
  assert.equal(await neighbour.call("POST", "/v1/functions/add/invoke", { a: 20, b: 22 }), 42);
  await rung.waitFor((path) => path === `/${name}`);
}

function dialMany(request: string, options: { reads?: boolean } = {}): Promise<RawCaller[]> {
  return Promise.all(Array.from({ length: CALLERS }, () => dial(api.url, request, options)));
}

const POST = (name: string, headers: string, body: string) =>
  `POST /fn/default/${name} HTTP/1.1\r\nhost: a\r\n${headers}\r\n\r\n${body}`;

/** How a test waits at most: its limits are those of impatient-api.ts. */
const PATIENCE = { timeout: 300_000 };

describe("strangers who are slow", () => {
  test("two hundred bodies that do not come take no slot, and are told so", PATIENCE, async () => {
    await deploy(
      "reader",
      "export default { fetch: async (request) => new Response(await request.text()) };",
    );
    const callers = await dialMany(POST("reader", "content-length: 100000", "x"));
    await workNextDoor("slow-bodies");
    assert.equal(callers.filter(({ said }) => said() !== "").length, 0, "the neighbour was not first");
    for (const { ended } of callers) {
      const answer = await ended;
      assert.match(answer, /^HTTP\/1\.1 408 /);
      assert.match(answer, /"code":"request_body_too_slow"/);
    }
    assert.deepEqual(await runsOf("reader"), []);
  });

  test(
    "two hundred bodies that begin and then stop hold their share alone, for a while",
    PATIENCE,
    async () => {
      const callers = await dialMany(POST("reader", "content-length: 1000000", "x".repeat(70_000)));
      await until(async () => ((await runsOf("reader")).length > 0 ? true : undefined));
      await workNextDoor("stopped-bodies");
      const answers = await Promise.all(callers.map(({ ended }) => ended));
      const slow = answers.filter((answer) => answer.startsWith("HTTP/1.1 408 "));
      const busy = answers.filter((answer) => answer.startsWith("HTTP/1.1 503 "));
      assert.equal(slow.length + busy.length, CALLERS);
      assert.ok(slow.length > 0 && busy.length > 0);
      for (const answer of busy) {
        assert.match(answer, /"code":"function_busy"/);
        assert.match(answer, /\r\nretry-after: 5\r\n/);
      }
      for (const answer of slow) {
        const run = await endedRun(/\r\nbellhop-run-id: (\S+)/.exec(answer)![1]!);
        assert.deepEqual([run.state, run.error?.code], ["failed", "request_body_too_slow"]);
      }
      assert.ok((await mostAtOnce("reader")) <= SHARES);
    },
  );

  test("two hundred readers who do not read hold their share alone, for a while", PATIENCE, async () => {
    await deploy(
      "endless",
      `export default { fetch: () => new Response(new ReadableStream({
        pull(controller) { controller.enqueue(new Uint8Array(65_536)); },
      })) };`,
    );
    const endedBefore = await endedCalls();
    const callers = await dialMany("GET /fn/default/endless HTTP/1.1\r\nhost: a\r\n\r\n", { reads: false });
    await until(async () => ((await runsOf("endless")).length > 0 ? true : undefined));
    await workNextDoor("deaf-readers");
    // The neighbour's is one of them.
    await until(async () => ((await endedCalls()) === endedBefore + CALLERS + 1 ? true : undefined));
    for (const { socket } of callers) socket.destroy();
    await untilFree();
    const runs = await Promise.all((await runsOf("endless")).map(({ id }) => endedRun(id)));
    for (const run of runs) assert.deepEqual([run.state, run.error?.code], ["failed", "response_not_taken"]);
    assert.ok((await mostAtOnce("endless")) <= SHARES);
    const cut = 'bellhop_callers_cut_off_total{reason="response_not_taken",role="api"}';
    assert.equal(await readSample(cluster.apiProcess, cut), runs.length);
  });

  test("two hundred calls of a function that takes long leave slots to others", PATIENCE, async () => {
    await deploy("sleeper", "export default { fetch: () => new Promise(() => {}) };", {
      limits: { wallMs: 20_000 },
    });
    const answers = Array.from({ length: CALLERS }, () => at("/sleeper"));
    await until(async () => ((await runsOf("sleeper")).length === SHARES ? true : undefined));
    await workNextDoor("sleepers");
    const running = (await runsOf("sleeper")).filter(({ state }) => state === "running");
    assert.equal(running.length, SHARES, "the neighbour was not first");
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 504).length, SHARES);
    assert.equal(statuses.filter((status) => status === 503).length, CALLERS - SHARES);
    assert.equal((await runsOf("sleeper")).length, SHARES);
    await untilFree();
  });
});

describe("honest callers who are slow", { concurrency: true }, () => {
  test("a steady upload that is slow is not cut off", PATIENCE, async () => {
    const parts = 20;
    const part = new Uint8Array(20_000);
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await wait(400);
        if (sent++ === parts) controller.close();
        else controller.enqueue(part);
      },
    });
    let sent = 0;
    await deploy(
      "counter",
      "export default { fetch: async (request) => new Response(String((await request.bytes()).length)) };",
    );
    const response = await at("/counter", { method: "POST", body, duplex: "half" });
    assert.equal(response.status, 200);
    assert.equal(await response.text(), String(parts * part.byteLength));
  });

  test("who is answered while still sending may pause longer than the grace", PATIENCE, async () => {
    await deploy("echo", "export default { fetch: (request) => new Response(request.body) };");
    const caller = await dial(api.url, POST("echo", "transfer-encoding: chunked", "5\r\nfirst\r\n"));
    await caller.heard(/first/);
    await wait(EDGE_LIMITS.body.graceMs + 1_000);
    caller.socket.write("6\r\nsecond\r\n0\r\n\r\n");
    await caller.heard(/second\r\n0\r\n\r\n$/);
    caller.socket.destroy();
  });

  test("a response that is quiet for long is not cut off", PATIENCE, async () => {
    await deploy(
      "quiet",
      `export default { fetch: () => new Response(new ReadableStream({
        async start(controller) {
          controller.enqueue(new TextEncoder().encode("data: 1\\n\\n"));
          await new Promise((resolve) => setTimeout(resolve, 7_000));
          controller.enqueue(new TextEncoder().encode("data: 2\\n\\n"));
          controller.close();
        },
      }), { headers: { "content-type": "text/event-stream" } }) };`,
    );
    assert.equal(await (await at("/quiet")).text(), "data: 1\n\ndata: 2\n\n");
  });

  test("a reader who is slow is not cut off", PATIENCE, async () => {
    const bytes = 12_000_000;
    await deploy(
      "large",
      `export default { fetch() {
        let left = ${bytes};
        return new Response(new ReadableStream({ pull(controller) {
          const size = Math.min(left, 50_000);
          if (size === 0) return controller.close();
          left -= size;
          controller.enqueue(new Uint8Array(size));
        } }));
      } };`,
    );
    let taken = 0;
    for await (const chunk of (await at("/large")).body!) {
      taken += chunk.byteLength;
      await wait(20);
    }
    assert.equal(taken, bytes);
  });
});

describe("who is slow where no function is", { concurrency: true }, () => {
  test("bodies of the API and of hooks have to come as well", PATIENCE, async () => {
    const { token } = await api.call<{ token: string }>("POST", "/v1/functions/reader/hooks", {});
    const head = (path: string) =>
      `POST ${path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${api.key}\r\ncontent-length: 1000\r\n\r\n{`;
    const callers = await Promise.all([
      dial(api.url, head("/v1/tasks")),
      dial(api.url, head(`/hooks/${token}`)),
    ]);
    for (const { ended } of callers) {
      const answer = await ended;
      assert.match(answer, /^HTTP\/1\.1 408 /);
      assert.match(answer, /"code":"request_body_too_slow"/);
      assert.match(answer, /\r\nconnection: close\r\n/i);
    }
  });

  test("heads have to come as well", PATIENCE, async () => {
    const [silent, trickling] = await Promise.all([
      dial(api.url, ""),
      dial(api.url, "GET /fn/default/reader HTTP/1.1\r\nhost: "),
    ]);
    assert.match(await silent.ended, /^HTTP\/1\.1 408 |^$/);
    assert.match(await trickling.ended, /^HTTP\/1\.1 408 /);
  });

  test("a body in pieces is read as a whole one is", async () => {
    const task = JSON.stringify({ type: "http", url: "http://127.0.0.1/", schedule: { delay: "1h" } });
    const caller = await dial(
      api.url,
      `POST /v1/tasks HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${api.key}\r\nconnection: close\r\ncontent-length: ${task.length}\r\n\r\n`,
    );
    for (const text of [task.slice(0, 20), task.slice(20)]) {
      await new Promise<void>((resolve) => caller.socket.write(text, () => resolve()));
      await wait(50);
    }
    assert.match(await caller.ended, /^HTTP\/1\.1 201 /);
  });
});
