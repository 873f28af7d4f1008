import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import type { CapturedMessage } from "../contracts/captured-email.ts";
import { keepEmail, listEmailSizes, loadEmails, removeExpiredEmails } from "./captured-emails.ts";
import { queueRun } from "./testing/samples.ts";
import { openTestStore } from "./testing/test-store.ts";

const { store, newNamespace } = await openTestStore(createTestDatabase);

const messageOf = (subject: string, text = "text"): CapturedMessage => ({
  ...{ from: "bellhop@localhost", to: ["ada@example.com"], cc: [], bcc: [], replyTo: null },
  ...{ subject, text, html: null, attachments: [] },
});

function openMailbox(namespaceId: string) {
  return {
    async keep(subject: string, limits: { maxEmails?: number; maxBytes?: number } = {}, text?: string) {
      const runId = await queueRun(store, namespaceId);
      return await keepEmail(store, { namespaceId, runId, message: messageOf(subject, text) }, limits);
    },
    async subjects() {
      const sizes = await listEmailSizes(store, namespaceId, 100, undefined);
      const emails = await loadEmails(
        store,
        namespaceId,
        sizes.map(({ id }) => id),
      );
      return emails.map(({ message }) => message.subject);
    },
  };
}

test("a namespace keeps its newest, so many and of so many bytes, and no other's are touched", async () => {
  const [one, other] = [openMailbox(await newNamespace()), openMailbox(await newNamespace())];
  await other.keep("other's");
  for (const subject of ["1", "2", "3", "4"]) await one.keep(subject, { maxEmails: 3 });
  assert.deepEqual(await one.subjects(), ["4", "3", "2"]);
  await one.keep("5", { maxBytes: 1_000 }, "x".repeat(500));
  await one.keep("6", { maxBytes: 1_000 }, "x".repeat(500));
  assert.deepEqual(await one.subjects(), ["6"], "the two longest together are too much");
  assert.deepEqual(await other.subjects(), ["other's"]);
});

test("many that are captured at once are all kept, or the newest of them", async () => {
  const mailbox = openMailbox(await newNamespace());
  const many = Array.from({ length: 30 }, (_, index) => mailbox.keep(String(index), { maxEmails: 5 }));
  await Promise.all(many);
  await mailbox.keep("last", { maxEmails: 5 });
  const subjects = await mailbox.subjects();
  assert.equal(subjects[0], "last");
  assert.equal(subjects.length, 5);
});

test("what is older than an instant is removed, in batches", async () => {
  const mailbox = openMailbox(await newNamespace());
  for (const subject of ["1", "2", "3"]) await mailbox.keep(subject);
  await store.pool.query(
    "UPDATE captured_emails SET captured_at = now() - interval '8 days' WHERE message->>'subject' <> '3'",
  );
  const before = new Date(Date.now() - 7 * 86_400_000);
  let removed = 0;
  for (let batch = 1; batch > 0; removed += batch) batch = await removeExpiredEmails(store, before, 1);
  assert.ok(removed >= 2);
  assert.deepEqual(await mailbox.subjects(), ["3"]);
});
