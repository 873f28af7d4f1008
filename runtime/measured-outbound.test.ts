import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { parseNetworks } from "../core/egress/address-policy.ts";
import { createEgress } from "../core/egress/egress.ts";
import { createOutboundMetrics } from "../core/telemetry/metrics/outbound.ts";
import { createHttpSink } from "../test/support/http-sink.ts";
import { MailError, type MailMessage, type MailProvider } from "./email/mail-provider.ts";
import { measureEgress, measureMail } from "./measured-outbound.ts";

async function shows(registry: Registry, lines: string[]): Promise<void> {
  const text = await registry.metrics();
  for (const line of lines) assert.ok(text.split("\n").includes(line), `no ${line} in\n${text}`);
}

test("requests are counted by what became of them, refused ones too", async (t) => {
  const registry = new Registry();
  const sink = await createHttpSink();
  t.after(() => sink.close());
  const egress = measureEgress(
    createEgress({ allow: parseNetworks("127.0.0.1/32") }),
    createOutboundMetrics(registry),
  );
  t.after(() => egress.close());
  const request = (url: string) =>
    egress.request({
      ...{ url, method: "GET", headers: {}, followRedirects: false, maxResponseBytes: 1_000 },
      signal: AbortSignal.timeout(10_000),
    });
  sink.reply = () => ({ status: 500 });
  assert.equal((await request(sink.url)).status, 500);
  await assert.rejects(request("http://169.254.169.254/latest/meta-data"), { code: "egress_blocked" });
  await assert.rejects(request("ftp://127.0.0.1/"), { code: "invalid_request" });
  await shows(registry, [
    'bellhop_egress_requests_total{outcome="answered"} 1',
    'bellhop_egress_requests_total{outcome="egress_blocked"} 1',
    'bellhop_egress_requests_total{outcome="invalid_request"} 1',
  ]);
});

test("e-mails are counted by what the provider said, without a word of them", async () => {
  const registry = new Registry();
  const answers: (() => ReturnType<MailProvider["send"]>)[] = [
    async () => ({ messageId: "1", accepted: ["a@example.com"], rejected: [] }),
    async () => ({ messageId: "2", accepted: ["a@example.com"], rejected: ["b@example.com"] }),
    async () => {
      throw new MailError("smtp_deferred", "later", { retryable: true });
    },
  ];
  const provider: MailProvider = { name: "smtp", send: () => answers.shift()!(), async close() {} };
  const measured = measureMail(provider, createOutboundMetrics(registry));
  const message = { subject: "s" } as MailMessage;
  const { signal } = new AbortController();
  const origin = { namespaceId: "n", runId: "r" };
  await measured.send(message, signal, origin);
  await measured.send(message, signal, origin);
  await assert.rejects(measured.send(message, signal, origin), { code: "smtp_deferred" });
  await shows(registry, [
    'bellhop_emails_total{outcome="accepted"} 1',
    'bellhop_emails_total{outcome="partly_refused"} 1',
    'bellhop_emails_total{outcome="smtp_deferred"} 1',
  ]);
  assert.doesNotMatch(await registry.metrics(), /example\.com/);
});
