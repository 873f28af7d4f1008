/** Bodies of http tasks on their whole way: from the request that makes the task to the receiver, and back into the run. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { until } from "../../core/store/testing/test-store.ts";
import { createHttpSink } from "../support/http-sink.ts";
import { startCluster } from "./cluster.ts";
import type { WireRun } from "./runs.ts";

const sign = (text: string | Buffer) => createHmac("sha256", "shared secret").update(text).digest("hex");

const sink = await createHttpSink(({ url }) => {
  if (url === "/moved") return { status: 302, headers: { location: "/end" } };
  const headers = { "content-type": "text/plain; charset=iso-8859-1", "content-encoding": "gzip" };
  return { headers, body: gzipSync(Buffer.from("reçu", "latin1")) };
});
after(() => sink.close());
const cluster = await startCluster({ schedulers: 0, workers: 1 });
after(() => cluster.stop());

/** Made of the request's text, and run at once; the run's end. */
async function runTask(text: string): Promise<WireRun> {
  const { url, key, call } = cluster.api;
  const headers = { authorization: `Bearer ${key}` };
  const made = await fetch(`${url}/v1/tasks`, { method: "POST", headers, body: text });
  const { id } = (await made.json()) as { id: string };
  assert.equal(made.status, 201);
  return await until(async () => {
    const { items } = await call<{ items: WireRun[] }>("GET", `/v1/tasks/${id}/runs`);
    return items.find(({ state }) => state === "succeeded" || state === "dead");
  });
}

test("a signature over the body that was given holds for the body that arrives; the answer is recorded as text", async () => {
  const body = '{ "order":1234567890123456789,\n  "amount": 1.10, "a": "\\u00e9\\u0000" }';
  const run = await runTask(
    `{"type":"http","method":"POST","url":"${sink.url}/signed","body": ${body},"headers":{"x-signature":"${sign(body)}"}}`,
  );
  const [request] = await sink.waitFor(({ url }) => url === "/signed");
  assert.equal(request!.body, body);
  assert.equal(sign(request!.rawBody), request!.headers["x-signature"]);
  assert.equal(request!.headers["content-type"], "application/json");
  assert.equal(run.state, "succeeded");
  assert.equal((run.result as { body: unknown }).body, "reçu");
});

test("an event that was redirected to a GET is not delivered, and its run says so", async () => {
  const run = await runTask(`{"type":"http","method":"POST","url":"${sink.url}/moved","body":{"event":1}}`);
  assert.deepEqual([run.state, run.error?.code], ["dead", "http_status"]);
  assert.match(run.error!.message, /302 Found: a redirect to a GET without the body/);
  assert.deepEqual(
    sink.requests.filter(({ url }) => url === "/end"),
    [],
  );
});
