/** `npm start` and e-mails: captured without a provider, and with one refused where they would find no sender. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startProcess } from "../support/processes.ts";
import { createClient } from "./cluster.ts";
import { eventually, type Listed, type WireRun } from "./runs.ts";

const EMAIL = {
  ...{ type: "email", to: ["Ada <ada@example.com>"], subject: "Your report", body: "It is ready." },
  attachments: [{ filename: "report.txt", content: "aGVsbG8=", contentType: "text/plain" }],
};

test("an e-mail without sender is captured and read; once there is a provider it is refused", {
  timeout: 300_000,
}, async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "bellhop-mailbox-"));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  const start = async (env: Record<string, string> = {}) => {
    const running = startProcess("standalone/main.ts", {
      env: { PORT: "0", BELLHOP_DATA_DIR: dataDir, ...env },
    });
    t.after(() => running.stop());
    await running.waitForLine(/^Ctrl-C drains/, 120_000);
    const find = (word: string) =>
      running.lines
        .find((line) => line.startsWith(word))!
        .slice(word.length)
        .trim();
    return { running, email: find("E-mail "), api: createClient(find("API "), find("Key ")) };
  };
  const post = async ({ url, key }: { url: string; key: string }) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const answer = await fetch(`${url}/v1/tasks`, { method: "POST", headers, body: JSON.stringify(EMAIL) });
    return { status: answer.status, body: (await answer.json()) as { id: string; code?: string } };
  };

  const { api, email, running } = await start();
  assert.equal(email, `none is sent: read them at ${api.url}/v1/mailbox, or set EMAIL_URL`);
  const made = await post(api);
  assert.equal(made.status, 201);
  const [run] = await eventually(
    "the e-mail's run",
    async () => (await api.call<Listed<WireRun>>("GET", `/v1/tasks/${made.body.id}/runs`)).items,
    (runs) => runs.some(({ state }) => /succeeded|failed|dead/.test(state)),
  );
  assert.equal(run!.state, "succeeded");
  const { items } = await api.call<Listed<Record<string, unknown>>>("GET", "/v1/mailbox");
  const { id, at, ...captured } = items[0]!;
  assert.equal(items.length, 1);
  assert.ok(typeof at === "string");
  assert.deepEqual(captured, {
    ...{ runId: run!.id, from: "bellhop@localhost", to: EMAIL.to, cc: [], bcc: [], replyTo: null },
    ...{ subject: EMAIL.subject, text: EMAIL.body, html: null },
    attachments: [{ filename: "report.txt", contentType: "text/plain", bytes: 5 }],
  });
  assert.deepEqual(await api.call("GET", `/v1/mailbox/${id}`), items[0]);
  await running.stop();

  const sending = await start({ EMAIL_URL: "smtp://127.0.0.1:9" });
  assert.equal(sending.email, "by EMAIL_URL");
  const refused = await post(sending.api);
  assert.deepEqual([refused.status, refused.body.code], [422, "invalid_input"]);
  assert.match(JSON.stringify(refused.body), /"field":"from"|"from"/);
  await sending.running.stop();
});
