/** The sample functions, deployed as their README says and used over HTTP, on real parts. */
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";
import { build } from "esbuild";
import { until } from "../../core/store/testing/test-store.ts";
import { createHttpSink } from "../support/http-sink.ts";
import { createSmtpSink } from "../support/smtp-sink.ts";
import { startCluster, waitForDirectCalls } from "./cluster.ts";

const SAMPLES = join(import.meta.dirname, "../../functions/samples");
const smtp = await createSmtpSink();
const sink = await createHttpSink();
const cluster = await startCluster({
  ...{ schedulers: 1, workers: 1 },
  env: {
    BELLHOP_SECRETS_KEY: randomBytes(32).toString("hex"),
    EMAIL_URL: smtp.url,
    EMAIL_FROM: "bellhop@example.com",
  },
});
after(async () => {
  await cluster.stop();
  await Promise.all([smtp.close(), sink.close()]);
});

const { api } = cluster;
await waitForDirectCalls(api);
const at = (path: string, init?: RequestInit) => fetch(`${api.url}/fn/default${path}`, init);

/** As `curl -F file=@… -F name=json` does. */
async function deploy(name: string, file: string, source: string, options: Record<string, unknown> = {}) {
  const form = new FormData();
  form.append("file", new Blob([source]), file);
  for (const [option, value] of Object.entries(options)) form.append(option, JSON.stringify(value));
  const response = await fetch(`${api.url}/v1/functions/${name}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${api.key}` },
    body: form,
  });
  assert.equal(response.status, 201, await response.text());
}
const readSample = (file: string) => readFile(join(SAMPLES, file), "utf8");
const deploySample = async (name: string, file: string, options?: Record<string, unknown>) =>
  await deploy(name, file, await readSample(file), options);

test("a Hono app of another platform answers at its URL, unchanged, streams included", async () => {
  const bundle = await build({
    entryPoints: [join(SAMPLES, "hono-app/index.ts")],
    ...{ bundle: true, format: "esm", write: false, logLevel: "silent" },
  });
  const options = { public: true, env: { GREETING: "Good morning" } };
  await deploy("app", "app.js", bundle.outputFiles[0]!.text, options);
  const home = await at("/app");
  assert.equal(await home.text(), "Good morning from Hono");
  assert.equal(home.headers.get("x-served-by"), "hono");
  assert.deepEqual(await (await at("/app/notes?q=bank")).json(), [{ id: 2, text: "Call the bank" }]);
  assert.deepEqual(await (await at("/app/notes/1")).json(), { id: 1, text: "Water the plants" });
  const missing = await at("/app/notes/9");
  assert.deepEqual([missing.status, await missing.json()], [404, { error: "There is no such note." }]);
  const post = (body: unknown) =>
    at("/app/notes", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const made = await post({ text: "New" });
  assert.deepEqual([made.status, await made.json()], [201, { id: 3, text: "New" }]);
  assert.equal((await post({})).status, 422);
  assert.equal(await (await at("/app/countdown/3")).text(), "3\n2\n1\n0\n");
  const events = await at("/app/events");
  assert.match(events.headers.get("content-type") ?? "", /^text\/event-stream/);
  assert.equal((await events.text()).match(/^event: tick$/gm)?.length, 3);
});

test("the uptime check remembers the site's state and tells of each change once", async () => {
  let status = 200;
  sink.reply = ({ url }) => ({ status: url === "/site" ? status : 200 });
  const sample = await readSample("site-uptime.ts");
  // A machine that is slow itself is not to take the site for down.
  const patient = sample.replace("PATIENCE_MS = 5_000", "PATIENCE_MS = 60_000");
  assert.notEqual(patient, sample);
  await deploy("uptime", "site-uptime.ts", patient, {
    env: { SITE_URL: `${sink.url}/site`, NOTIFY_URL: `${sink.url}/notify` },
  });
  const check = () =>
    api.call<{ state: string; changed: boolean }>("POST", "/v1/functions/uptime/invoke", null);
  const told = () =>
    sink.requests.filter(({ url }) => url === "/notify").map(({ body }) => JSON.parse(body).state);
  const states: [string, boolean][] = [];
  for (const next of [200, 200, 503, 503, 503, 200]) {
    status = next;
    const { state, changed } = await check();
    states.push([state, changed]);
  }
  assert.deepEqual(states, [
    ...([
      ["up", false],
      ["up", false],
      ["down", true],
      ["down", false],
      ["down", false],
      ["up", true],
    ] as [string, boolean][]),
  ]);
  assert.deepEqual(told(), ["down", "up"]);
  status = 500;
  const task = await api.call<{ id: string }>("POST", "/v1/tasks", {
    ...{ type: "function", function: "uptime", schedule: { every: "1s" } },
  });
  await sink.waitFor(({ url }) => url === "/notify", { count: 3 });
  await until(async () => {
    const { items } = await api.call<{ items: { state: string }[] }>("GET", `/v1/tasks/${task.id}/runs`);
    return items.filter(({ state }) => state === "succeeded").length >= 2 ? true : undefined;
  });
  await api.call("POST", `/v1/tasks/${task.id}/cancel`);
  assert.deepEqual(told(), ["down", "up", "down"]);
});

test("the digest arrives by mail, once a day however often it runs", async () => {
  const items = Array.from({ length: 8 }, (_, n) => ({
    title: `Item ${n}`,
    url: `https://example.com/${n}`,
    points: n,
  }));
  sink.reply = () => ({ headers: { "content-type": "application/json" }, body: JSON.stringify(items) });
  await deploySample("digest", "daily-digest.ts", {
    env: { API_URL: `${sink.url}/items`, MAIL_TO: "ada@example.com", BELLHOP_URL: api.url },
  });
  await api.call("PUT", "/v1/functions/digest/secrets/BELLHOP_KEY", { value: api.key });
  const run = () =>
    api.call<{ sent: boolean; task: string; day: string }>("POST", "/v1/functions/digest/invoke", null);
  const first = await run();
  assert.equal(first.sent, true);
  const [mail] = await smtp.waitFor(() => true);
  assert.deepEqual(mail!.envelope.to, ["ada@example.com"]);
  assert.equal(mail!.subject, `5 things for ${first.day}`);
  assert.match(mail!.raw, /Item 7 \(7\)/);
  assert.doesNotMatch(mail!.raw, /Item 2 /);
  const again = await run();
  assert.equal(again.day === first.day ? again.task : first.task, first.task);
  assert.equal(smtp.messages.length, again.day === first.day ? 1 : smtp.messages.length);
});

test("the receiver takes a signed webhook once, and nothing that was changed or is old", async () => {
  const key = randomBytes(24);
  await deploySample("receiver", "webhook-receiver.ts", { public: true });
  await api.call("PUT", "/v1/functions/receiver/secrets/WEBHOOK_SECRET", {
    value: `whsec_${key.toString("base64")}`,
  });
  const send = (id: string, body: string, given: { at?: number; signed?: string } = {}) => {
    const timestamp = String(Math.floor(given.at ?? Date.now() / 1_000));
    const signature = createHmac("sha256", key)
      .update(`${id}.${timestamp}.${given.signed ?? body}`)
      .digest("base64");
    return at("/receiver", {
      method: "POST",
      body,
      headers: {
        ...{ "webhook-id": id, "webhook-timestamp": timestamp },
        "webhook-signature": `v1,AAAA v1,${signature}`,
      },
    });
  };
  const event = JSON.stringify({ type: "order", text: "é" });
  await until(async () =>
    (await send(`try-${randomBytes(4).toString("hex")}`, event)).status === 202 ? true : undefined,
  );
  const accepted = await send("msg_1", event);
  assert.deepEqual([accepted.status, await accepted.json()], [202, { id: "msg_1", accepted: true }]);
  assert.equal((await send("msg_1", event)).status, 409);
  assert.equal((await send("msg_2", event, { signed: "{}" })).status, 401);
  assert.equal((await send("msg_3", event, { at: Date.now() / 1_000 - 301 })).status, 401);
  assert.equal((await at("/receiver")).status, 405);

  // The same function behind a hook's token, with a body that is signed.
  const { token } = await api.call<{ token: string }>("POST", "/v1/functions/receiver/hooks", {});
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const signature = createHmac("sha256", key).update(`msg_4.${timestamp}.${event}`).digest("base64");
  const hooked = await fetch(`${api.url}/hooks/${token}`, {
    method: "POST",
    body: event,
    headers: {
      ...{ "webhook-id": "msg_4", "webhook-timestamp": timestamp, "webhook-signature": `v1,${signature}` },
    },
  });
  assert.equal(hooked.status, 202);
  const { runId } = (await hooked.json()) as { runId: string };
  const run = await until(async () => {
    const found = await api.call<{ state: string; result: { status: number } }>("GET", `/v1/runs/${runId}`);
    return found.state === "succeeded" ? found : undefined;
  });
  assert.equal(run.result.status, 202);
});

test("the transform streams megabytes of CSV in little memory, quotes and borders of chunks included", async () => {
  await deploySample("csv", "csv-to-json.ts", { public: true, limits: { memoryMb: 32 } });
  const small = await at("/csv", {
    method: "POST",
    body: 'name,city\r\n"Ada ""L.""",London\r\n\r\nBo,"New\nYork",x\nC',
  });
  assert.deepEqual(
    (await small.text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
    [{ name: 'Ada "L."', city: "London" }, { name: "Bo", city: "New\nYork" }, { name: "C" }],
  );
  // Each row is answered while the next is not sent yet.
  const asking = request(`${api.url}/fn/default/csv`, { method: "POST" });
  asking.write("n\n");
  const responded = once(asking, "response") as Promise<[IncomingMessage]>;
  asking.write("1\n");
  const [streamed] = await responded;
  for (const n of [1, 2, 3]) {
    const [chunk] = (await once(streamed, "data")) as [Buffer];
    assert.deepEqual(JSON.parse(chunk.toString()), { n: String(n) });
    if (n < 3) asking.write(`${n + 1}\n`);
  }
  asking.end();
  await once(streamed, "end");

  const rows = 60_000;
  async function* csv() {
    yield Buffer.from("id,text\n");
    for (let from = 0; from < rows; from += 1_000) {
      const lines = Array.from({ length: 1_000 }, (_, n) => `${from + n},"some, text é ${"x".repeat(40)}"\n`);
      yield Buffer.from(lines.join(""));
    }
  }
  const response = await at("/csv", {
    ...{ method: "POST", duplex: "half" },
    body: ReadableStream.from(csv()) as unknown as string,
  } as RequestInit);
  const lines = (await response.text()).trimEnd().split("\n");
  assert.equal(lines.length, rows);
  assert.deepEqual(JSON.parse(lines.at(-1)!), {
    id: String(rows - 1),
    text: `some, text é ${"x".repeat(40)}`,
  });
});
