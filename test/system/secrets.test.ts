/** A run that prints its secrets: nothing of them is kept anywhere. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import pg from "pg";
import { until } from "../../core/store/testing/test-store.ts";
import { portOf, startCluster } from "./cluster.ts";

const cluster = await startCluster({
  ...{ schedulers: 1, workers: 1 },
  env: { BELLHOP_SECRETS_KEY: randomBytes(32).toString("base64"), LOG_LEVEL: "debug" },
});
after(() => cluster.stop());

const { api } = cluster;
const OWN = `own-${randomBytes(12).toString("hex")}`;
const SHARED = `shared-"quoted"-${randomBytes(12).toString("hex")}`;

const SOURCE = `
  function print({ env, log }) {
    const bytes = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
    for (const secret of [env.OWN, env.SHARED]) {
      log.info("it is " + secret, { secret, list: [secret], [secret]: 1 });
      console.log(JSON.stringify({ secret }), encodeURIComponent(secret), bytes(secret), bytes("user:" + secret));
    }
    return { plain: env.PLAIN, own: env.OWN, all: JSON.stringify(env) };
  }
  export default {
    fetch(request, env, ctx) {
      const printed = print(ctx);
      if (request.url.endsWith("/throw")) throw Object.assign(new Error("thrown " + env.OWN), { name: "E" + env.SHARED });
      return new Response(printed.own, { headers: { "x-plain": env.PLAIN } });
    },
    scheduled(event, env, ctx) {
      if (event.input === "throw") throw new Error("thrown " + env.SHARED);
      return print(ctx);
    },
  };`;

/** Whether any form of the secrets is in the text. */
function findLeak(text: string): string | undefined {
  const forms = [OWN, SHARED].flatMap((secret) => [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    Buffer.from(secret).toString("base64").slice(0, 20),
    secret.slice(-16),
  ]);
  return forms.find((form) => text.includes(form));
}

test("a run that prints a secret leaves nothing of it in logs, errors, runs, metrics or output", async () => {
  await api.call("PUT", "/v1/functions/printer", {
    source: SOURCE,
    public: true,
    env: { PLAIN: "plain-text" },
  });
  await api.call("PUT", "/v1/secrets/SHARED", { value: SHARED });
  await api.call("PUT", "/v1/functions/printer/secrets/OWN", { value: OWN });

  // A call that had to wait in the queue is answered from what was kept of it: one of the next goes to a worker.
  const answered = await until(async () => {
    const response = await fetch(`${api.url}/fn/default/printer`);
    return (await response.text()) === OWN ? response : undefined;
  });
  assert.equal(answered.headers.get("x-plain"), "plain-text");
  const thrown = await fetch(`${api.url}/fn/default/printer/throw`);
  assert.equal(thrown.status, 500);
  assert.equal(findLeak(await thrown.text()), undefined);
  for (const input of ["print", "throw"]) {
    const task = { type: "function", function: "printer", input, retry: { maxAttempts: 1 } };
    await api.call("POST", "/v1/tasks", task);
  }
  await until(async () => {
    const { items } = await api.call<{ items: { state: string }[] }>("GET", "/v1/runs");
    const isOver = items.length >= 4 && items.every(({ state }) => /succeeded|failed|dead/.test(state));
    return isOver ? true : undefined;
  });

  const wire = await Promise.all(
    ["/v1/runs", "/v1/functions/printer", "/v1/functions/printer/logs?limit=100", "/v1/secrets"].map((path) =>
      api.call("GET", path),
    ),
  );
  const logs = JSON.stringify(wire[2]);
  assert.match(logs, /redacted OWN/);
  assert.match(logs, /redacted SHARED/);
  assert.match(JSON.stringify(wire), /plain-text/);
  assert.equal(findLeak(JSON.stringify(wire)), undefined);

  const client = new pg.Client(cluster.databaseUrl);
  await client.connect();
  for (const table of ["task_runs", "task_logs", "functions", "secrets"]) {
    const { rows } = await client.query(`SELECT row_to_json(t)::text AS row FROM ${table} AS t`);
    assert.ok(rows.length > 0, table);
    for (const { row } of rows) assert.equal(findLeak(row), undefined, table);
  }
  await client.end();

  const roles = [cluster.apiProcess, ...cluster.schedulers, ...cluster.workers];
  for (const role of roles) {
    const metrics = await (await fetch(`http://127.0.0.1:${portOf(role)}/metrics`)).text();
    assert.match(metrics, /bellhop_/);
    assert.equal(findLeak(metrics), undefined);
    assert.equal(findLeak(role.lines.join("\n")), undefined);
  }
});

test("a long input comes to its function, and stands in its run, as it was given", async () => {
  await api.call("PUT", "/v1/functions/echo", { source: "export default (input) => input;" });
  const input = {
    text: `"quoted" \\ \n ü 😀 ${"x".repeat(2_000)}`,
    list: [1, -0.5, 1e21, null, true, { a: {} }],
  };
  const called = await fetch(`${api.url}/v1/functions/echo/invoke`, {
    method: "POST",
    headers: { authorization: `Bearer ${api.key}` },
    body: JSON.stringify(input),
  });
  assert.deepEqual(await called.json(), input);
  const run = await api.call<{ input: unknown }>("GET", `/v1/runs/${called.headers.get("bellhop-run-id")}`);
  assert.deepEqual(run.input, input);
});

test("a run shows the input of its call without secrets, bounded, and nothing of it beforehand", async () => {
  const source = "export default (input) => { if (input?.fail) throw new Error('no'); return 1; };";
  await api.call("PUT", "/v1/functions/taker", { source, public: true });
  await api.call("PUT", "/v1/functions/taker/secrets/GIVEN", { value: OWN });
  const authorization = `Bearer ${api.key}`;
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(`${api.url}${path}`, {
      method: "POST",
      headers: { authorization, ...headers },
      body: JSON.stringify(body),
    });
  const ended = (id: string | null) =>
    until(async () => {
      const run = await api.call<{ state: string; input: unknown; inputTruncated?: true }>(
        "GET",
        `/v1/runs/${id}`,
      );
      return /succeeded|failed/.test(run.state) ? run : undefined;
    });
  const storedOf = async (id: string | null) => {
    const client = new pg.Client(cluster.databaseUrl);
    await client.connect();
    const { rows } = await client.query<{ row: { original_input: unknown } }>(
      "SELECT row_to_json(t) AS row FROM task_runs t WHERE id = $1",
      [id],
    );
    await client.end();
    const { original_input: original, ...row } = rows[0]!.row;
    return { original, row: JSON.stringify(row) };
  };
  const clean = { note: "a [redacted GIVEN] b", "[redacted GIVEN]": [1, null] };
  const given = { note: `a ${OWN} b`, [OWN]: [1, null] };
  // Handed to a worker, and through the queue.
  // A long one goes as its own text.
  for (const headers of [{}, { prefer: "respond-async" }] as Record<string, string>[])
    for (const more of [{}, { text: "x".repeat(2_000) }])
      for (const fail of [true, false]) {
        const called = await post("/v1/functions/taker/invoke", { ...given, ...more, fail }, headers);
        const runId = called.headers.get("bellhop-run-id");
        assert.deepEqual((await ended(runId)).input, { ...clean, ...more, fail });
        const { original, row } = await storedOf(runId);
        assert.equal(findLeak(row), undefined);
        const replayed = fail ? { ...given, ...more, fail } : null;
        assert.deepEqual(original, replayed, "for a replay of what failed alone");
      }
  const long = await post("/v1/functions/taker/invoke", { text: "x".repeat(65_536) });
  const { input, inputTruncated } = await ended(long.headers.get("bellhop-run-id"));
  assert.deepEqual([input, inputTruncated], [null, true]);

  const { url } = await api.call<{ url: string }>("POST", "/v1/functions/taker/hooks", {});
  const content = { sender: "s3cr3t of the sender" };
  for (const called of [
    await post(`${new URL(url, api.url).pathname}?key=${OWN}`, content, { "x-signature": "abc" }),
    await post(`/fn/default/taker/path?key=${OWN}`, content, { "x-signature": "abc" }),
  ]) {
    const runId = called.headers.get("bellhop-run-id");
    const { request } = (await ended(runId)).input as { request: { method: string; url: string } };
    assert.deepEqual(Object.keys(request).sort(), ["method", "url"]);
    assert.equal(request.method, "POST");
    assert.match(request.url, /\?key=\[redacted GIVEN\]$/);
    const { original, row } = await storedOf(runId);
    assert.deepEqual([original, findLeak(row)], [null, undefined]);
  }
  const list = await api.call<{ items: object[] }>("GET", "/v1/runs");
  assert.ok(list.items.length > 0);
  for (const run of list.items) assert.ok(!("input" in run) && !JSON.stringify(run).includes('"kept"'));
});

test("a change of a secret or a setting soon holds, and what is removed is gone", async () => {
  const source = "export default (_input, { env }) => [env.A ?? null, env.B ?? null];";
  await api.call("PUT", "/v1/functions/reader", { source, env: { A: "setting", B: "setting" } });
  const read = () => api.call("POST", "/v1/functions/reader/invoke", null);
  assert.deepEqual(await read(), ["setting", "setting"]);
  await api.call("PUT", "/v1/secrets/A", { value: "of the namespace" });
  await api.call("PUT", "/v1/functions/reader/secrets/B", { value: "of the function" });
  const seen = await until(async () => {
    const found = JSON.stringify(await read());
    return found.includes("redacted") ? found : undefined;
  });
  assert.equal(
    seen,
    '["setting","[redacted B]"]',
    "the function's settings are nearer than the namespace's secrets",
  );
  await api.call("PUT", "/v1/functions/reader", { source, env: {} });
  await until(async () => ((await read()) as unknown as string[])[0] === "[redacted A]" || undefined);
  const gone = await fetch(`${api.url}/v1/functions/reader/secrets/B`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${api.key}` },
  });
  assert.equal(gone.status, 204);
  await until(async () => ((await read()) as unknown as (string | null)[])[1] === null || undefined);
});
