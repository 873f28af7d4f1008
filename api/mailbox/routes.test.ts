import assert from "node:assert/strict";
import { test } from "node:test";
import type { CapturedMessage } from "../../core/contracts/captured-email.ts";
import { keepEmail } from "../../core/store/captured-emails.ts";
import { newId } from "../../core/store/ids.ts";
import { queueRun } from "../../core/store/testing/samples.ts";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";
import { countFitting } from "./page-bytes.ts";

const api = await openApi({ mail: { isCaptured: true, defaultSender: "given" } });
const sending = await openApi();

const MESSAGE: CapturedMessage = {
  ...{ from: "bellhop@localhost", to: ["ada@example.com"], cc: ["c@example.com"], bcc: [] },
  ...{ replyTo: null, subject: "Your report", text: "It is ready.", html: "<p>It is ready.</p>" },
  attachments: [{ filename: "report.txt", contentType: "text/plain", bytes: 5 }],
};

test("captured e-mails are listed newest first, by pages, and read one by one, by their namespace alone", async () => {
  const [tenant, other] = [await api.newTenant(), await api.newTenant()];
  const { namespaceId } = tenant;
  const runId = await queueRun(api.store, namespaceId);
  for (const subject of ["1", "2", "3"])
    await keepEmail(api.store, { namespaceId, runId, message: { ...MESSAGE, subject } });

  const first = await tenant.call("GET", "/v1/mailbox?limit=2");
  assert.equal(first.status, 200);
  const [newest] = first.body.items;
  assert.ok(Math.abs(Date.now() - Date.parse(newest.at)) < 60_000);
  assert.deepEqual(newest, { id: newest.id, at: newest.at, runId, ...MESSAGE, subject: "3" });
  assert.deepEqual((await tenant.call("GET", `/v1/mailbox/${newest.id}`)).body, newest);
  const second = await tenant.call("GET", `/v1/mailbox?limit=2&cursor=${first.body.nextCursor}`);
  assert.deepEqual(
    [...first.body.items, ...second.body.items].map(({ subject }: CapturedMessage) => subject),
    ["3", "2", "1"],
  );
  assert.equal(second.body.nextCursor, null);

  assert.deepEqual((await other.call("GET", "/v1/mailbox")).body, { items: [], nextCursor: null });
  assertProblem(await other.call("GET", `/v1/mailbox/${newest.id}`), 404, "not_found");
  assertProblem(await tenant.call("GET", "/v1/mailbox/nothing"), 404, "not_found");
  assertProblem(await tenant.call("GET", "/v1/mailbox?limit=0"), 422, "invalid_input", ["limit"]);
  assertProblem(await tenant.call("GET", "/v1/mailbox?cursor=x"), 422, "invalid_input", ["cursor"]);
  const invoker = await api.newCaller(namespaceId, ["invoke"]);
  assertProblem(await invoker.call("GET", "/v1/mailbox"), 403, "forbidden");
});

test("where e-mails are not captured there is no mailbox, and the answer says so", async () => {
  const tenant = await sending.newTenant();
  for (const path of ["/v1/mailbox", `/v1/mailbox/${newId()}`])
    assertProblem(await tenant.call("GET", path), 404, "mailbox_off");
});

test("a page ends where its e-mails grow too large together, and holds one in any case", () => {
  const sizes = [4, 4, 4, 4].map((bytes) => ({ id: newId(), bytes }));
  assert.equal(countFitting(sizes, 3, 100), 3);
  assert.equal(countFitting(sizes, 3, 9), 2);
  assert.equal(countFitting(sizes, 3, 1), 1);
  assert.equal(countFitting([], 3, 1), 3);
});
