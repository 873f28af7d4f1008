import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeptEmail } from "../../core/store/captured-emails.ts";
import { createOutboundMetrics } from "../../core/telemetry/metrics/outbound.ts";
import { createRegistry } from "../../core/telemetry/metrics/registry.ts";
import { createOutbound, type OutboundSettings } from "../outbound.ts";
import type { MailMessage } from "./mail-provider.ts";

const SETTINGS: OutboundSettings = {
  ...{
    EGRESS_ALLOW: "",
    EGRESS_DENY: "",
    EMAIL_URL: undefined,
    EMAIL_FROM: undefined,
    EMAIL_CAPTURE: "true",
  },
};
const MESSAGE: MailMessage = {
  ...{ messageId: "<1@localhost>", from: "bellhop@localhost", to: ["a@example.com"], cc: ["b@example.com"] },
  ...{ bcc: [], subject: "s", text: "t", attachments: [{ filename: "f", content: "aGVsbG8=" }] },
};
const origin = { namespaceId: "n", runId: "r" };
const { signal } = new AbortController();

function open(settings: Partial<OutboundSettings>, keepEmail: (email: KeptEmail) => Promise<unknown>) {
  const metrics = createOutboundMetrics(createRegistry("worker"));
  return createOutbound(
    { ...SETTINGS, ...settings },
    { metrics, keepEmail, tenantRules: async () => undefined },
  );
}

test("a captured e-mail is kept with whose it is, its attachments by name and size, and counts as accepted", async () => {
  const kept: KeptEmail[] = [];
  const { mail, mailFrom } = open({}, async (email) => kept.push(email));
  assert.equal(mailFrom, "bellhop@localhost");
  assert.deepEqual(await mail!.send(MESSAGE, signal, origin), {
    ...{ messageId: "<1@localhost>", accepted: ["a@example.com", "b@example.com"], rejected: [] },
  });
  const { from, to, cc, bcc, subject, text } = MESSAGE;
  const attachments = [{ filename: "f", contentType: null, bytes: 5 }];
  const message = { from, to, cc, bcc, replyTo: null, subject, text, html: null, attachments };
  assert.deepEqual(kept, [{ ...origin, message }]);
});

test("what cannot be kept now may be later; what no mail may hold is not kept", async () => {
  const { mail } = open({}, async () => {
    throw new Error("away");
  });
  const failure = { code: "mail_provider_unavailable", retryable: true };
  await assert.rejects(mail!.send(MESSAGE, signal, origin), failure);
  const wrong = mail!.send({ ...MESSAGE, subject: "a\nb" }, signal, origin);
  await assert.rejects(wrong, { code: "mail_invalid", retryable: false });
});

test("capturing and a provider exclude each other, and the sender is looked at with either", () => {
  const keep = async () => {};
  assert.throws(() => open({ EMAIL_URL: "smtp://mail:25" }, keep), /EMAIL_CAPTURE keeps.*EMAIL_URL sends/);
  assert.throws(() => open({ EMAIL_FROM: "nobody" }, keep), /EMAIL_FROM is not an address/);
  assert.equal(open({ EMAIL_FROM: "a@example.com" }, keep).mailFrom, "a@example.com");
  const off = open({ EMAIL_CAPTURE: "false" }, keep);
  assert.deepEqual([off.mail, off.mailFrom], [null, undefined]);
});
