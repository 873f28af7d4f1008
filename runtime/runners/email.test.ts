import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DEFAULT_POLICY } from "../../core/contracts/task-policy.ts";
import type { LogLevel } from "../../core/domain/log-level.ts";
import type { EmailSpec } from "../../core/domain/task-spec.ts";
import type { JsonObject } from "../../core/json.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import { NO_SPAN } from "../../core/telemetry/tracing.ts";
import { MailError, type MailMessage, type MailProvider, type MailReceipt } from "../email/mail-provider.ts";
import { createEmailRunner } from "./email.ts";

const RUN_ID = "01961b7e-8f6a-7c3d-9e2b-5a1f0c4d3e2f";

function runOf(spec: Partial<EmailSpec>): ClaimedRun {
  return {
    id: RUN_ID,
    claimNo: 1,
    namespaceId: "n",
    taskId: "t",
    spec: {
      type: "email",
      to: ["ada@example.com"],
      cc: [],
      bcc: [],
      subject: "Hello",
      body: "text",
      attachments: [],
      ...spec,
    },
    attempt: 1,
    attemptOffset: 0,
    policy: DEFAULT_POLICY,
    limitsFrom: null,
    scheduledFor: new Date(),
    startedAt: new Date(),
    functionId: null,
    revisionId: null,
    trigger: "schedule",

    holdsPermits: false,
    hasCallbacks: false,
    traceparent: null,
  };
}

class RecordingProvider implements MailProvider {
  readonly name = "recording";
  readonly sent: { message: MailMessage; signal: AbortSignal }[] = [];
  answer: () => MailReceipt = () => ({ messageId: "p-1", accepted: ["ada@example.com"], rejected: [] });

  async send(message: MailMessage, signal: AbortSignal) {
    this.sent.push({ message, signal });
    return this.answer();
  }

  async close() {}
}

async function attempt(spec: Partial<EmailSpec>, provider: MailProvider | null, from?: string) {
  const { signal } = new AbortController();
  const logged: { level: LogLevel; message: string; fields: JsonObject | undefined }[] = [];
  const log = (level: LogLevel, message: string, fields?: JsonObject) =>
    void logged.push({ level, message, fields });
  const outcome = await createEmailRunner({ provider, from })(runOf(spec), {
    signal,
    deadlineAt: new Date(),
    span: NO_SPAN,
    log,
  });
  return { outcome, logged, signal };
}

describe("the e-mail runner", () => {
  it("sends the spec with a Message-ID made from run and sender", async () => {
    const provider = new RecordingProvider();
    const html = "<p>rich</p>";
    const attachments = [{ filename: "a.txt", content: "YQ==" }];
    const { signal } = await attempt(
      {
        from: "Own <own@sub.example.org>",
        cc: ["c@example.com"],
        replyTo: "r@example.com",
        html,
        attachments,
      },
      provider,
    );
    const { message, signal: passed } = provider.sent[0]!;
    assert.deepEqual(message, {
      messageId: `<${RUN_ID}@sub.example.org>`,
      from: "Own <own@sub.example.org>",
      to: ["ada@example.com"],
      cc: ["c@example.com"],
      bcc: [],
      replyTo: "r@example.com",
      subject: "Hello",
      text: "text",
      html,
      attachments,
    });
    assert.equal(passed, signal);
  });

  it("gives every attempt the same Message-ID", async () => {
    const provider = new RecordingProvider();
    for (let i = 0; i < 2; i++) await attempt({}, provider, "Bellhop <noreply@münchen.example>");
    assert.deepEqual(
      provider.sent.map(({ message }) => message.messageId),
      Array(2).fill(`<${RUN_ID}@xn--mnchen-3ya.example>`),
    );
  });

  it("records what the provider took, in one log line", async () => {
    const provider = new RecordingProvider();
    const { outcome, logged } = await attempt({}, provider, "noreply@example.com");
    const result = { provider: "recording", messageId: "p-1", accepted: ["ada@example.com"], rejected: [] };
    assert.deepEqual(outcome, { kind: "succeeded", result });
    assert.deepEqual([logged.length, logged[0]!.level, logged[0]!.fields!["accepted"]], [1, "info", 1]);
  });

  it("succeeds with a warning when some recipients were refused", async () => {
    const provider = new RecordingProvider();
    provider.answer = () => ({ messageId: "p-1", accepted: ["a@example.com"], rejected: ["b@example.com"] });
    const { outcome, logged } = await attempt({}, provider, "noreply@example.com");
    assert.equal(outcome.kind, "succeeded");
    assert.equal(logged[0]!.level, "warn");
  });

  it("fails as the provider says", async () => {
    const provider = new RecordingProvider();
    provider.answer = () => {
      throw new MailError("mail_provider_error", "busy", { retryable: true, retryAfterMs: 5_000 });
    };
    const { outcome, logged } = await attempt({}, provider, "noreply@example.com");
    const error = { code: "mail_provider_error", message: "busy" };
    assert.deepEqual(outcome, { kind: "failed", error, retryable: true, retryAfterMs: 5_000 });
    assert.deepEqual([logged[0]!.level, logged[0]!.message], ["warn", "E-mail failed: busy"]);
  });

  it("says which setting is missing", async () => {
    const unset = (await attempt({}, null, "noreply@example.com")).outcome;
    assert.ok(unset.kind === "failed" && !unset.retryable && unset.error.code === "email_not_configured");
    assert.match(unset.error.message, /EMAIL_URL/);
    const senderless = (await attempt({}, new RecordingProvider())).outcome;
    assert.ok(
      senderless.kind === "failed" && !senderless.retryable && senderless.error.code === "email_no_sender",
    );
    assert.match(senderless.error.message, /EMAIL_FROM/);
  });

  it("lets a bug be a bug", async () => {
    const provider = new RecordingProvider();
    provider.answer = () => {
      throw new RangeError("bug");
    };
    await assert.rejects(attempt({}, provider, "noreply@example.com"), RangeError);
  });
});
