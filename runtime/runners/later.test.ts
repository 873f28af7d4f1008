/** An http task's server may answer that it completes the run later, where it was told how. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { systemClock } from "../../core/clock.ts";
import { parseNetworks } from "../../core/egress/address-policy.ts";
import { createEgress } from "../../core/egress/egress.ts";
import { LazyAbort } from "../../core/lazy-abort.ts";
import { createCompletionTokens } from "../../core/secrets/completion-tokens.ts";
import { NO_SPAN } from "../../core/telemetry/tracing.ts";
import { createHttpSink } from "../../test/support/http-sink.ts";
import { runAttempt } from "../attempt.ts";
import { AttemptStop } from "../attempt-stop.ts";
import { claimedRun } from "../testing/claimed-run.ts";
import { findCompleteUrls } from "./complete-urls.ts";
import { createHttpRunner } from "./http.ts";

const sink = await createHttpSink();
const egress = createEgress({ allow: parseNetworks("127.0.0.1") });
after(async () => {
  await egress.close();
  await sink.close();
});

const keys = [randomBytes(32)];
const completeUrlOf = findCompleteUrls({
  BELLHOP_PUBLIC_URL: "https://bellhop.example.com/base",
  BELLHOP_SECRETS_KEY: keys,
});
const spec = { type: "http", method: "POST", url: sink.url, headers: {}, followRedirects: true } as const;
const later = { status: 202, headers: { "Bellhop-Complete": "later" } };

async function attempt(
  given: Parameters<typeof claimedRun>[0] = {},
  { isOffered = true, stop = new LazyAbort() } = {},
) {
  const run = claimedRun({ spec, startedAt: new Date(), scheduledFor: new Date(), ...given });
  const http = createHttpRunner({ egress, clock: systemClock, ...(isOffered ? { completeUrlOf } : {}) });
  const never = () => assert.fail("another type's runner");
  const tried = await runAttempt(run, { http, email: never, function: never }, stop, "w", systemClock, {
    span: NO_SPAN,
  });
  return { run, tried: tried!, request: sink.requests.at(-1)! };
}

test("each request of a task says where its attempt is completed, by a token of that attempt", async () => {
  sink.reply = () => ({ body: "done" });
  const { run, tried, request } = await attempt({ claimNo: 3 });
  assert.equal(tried.verdict.state, "succeeded");
  const [, token] = /^https:\/\/bellhop\.example\.com\/base\/complete\/(\S+)$/.exec(
    String(request.headers["bellhop-complete-url"]),
  )!;
  assert.deepEqual(createCompletionTokens(keys).read(token!), { runId: run.id, claimNo: 3 });
  const unnamed = await attempt({ spec: { ...spec, headers: { "bellhop-complete-url": "https://evil" } } });
  assert.doesNotMatch(String(unnamed.request.headers["bellhop-complete-url"]), /evil/);
});

test("a 202 that says later puts the attempt off, until its deadline, or without one for its timeout", async () => {
  sink.reply = () => later;
  const startedAt = new Date();
  for (const [policy, mostMs] of [
    [{ timeoutMs: 60_000 }, 60_000],
    [{ timeoutMs: 60_000, deadlineMs: 30_000 }, 30_000],
    [{ timeoutMs: 10_000, deadlineMs: 600_000 }, 600_000],
  ] as const) {
    const { tried } = await attempt({ startedAt, scheduledFor: startedAt, ...policy });
    assert.ok(tried.verdict.state === "deferred");
    const waitMs = tried.verdict.completeBy.getTime() - startedAt.getTime();
    assert.ok(waitMs >= mostMs && waitMs <= mostMs + 10_000, `${waitMs}`);
    assert.equal(tried.record.error, null);
    assert.match(tried.logs[0]!.message, /^POST .* → 202 in \d+ ms, to be completed later$/);
  }
});

test("only that does: not another status, another word, or another header", async () => {
  for (const [reply, state] of [
    [{ status: 200, headers: later.headers }, "succeeded"],
    [{ status: 202, headers: { "Bellhop-Complete": "now" } }, "succeeded"],
    [{ status: 202 }, "succeeded"],
    [{ status: 202, headers: { "Bellhop-Complete": " LATER " } }, "deferred"],
  ] as const) {
    sink.reply = () => reply;
    assert.equal((await attempt()).tried.verdict.state, state, JSON.stringify(reply));
  }
});

test("where no URL was offered the attempt fails for good, and says what is missing", async () => {
  sink.reply = () => later;
  const { tried, request } = await attempt({}, { isOffered: false });
  assert.equal(request.headers["bellhop-complete-url"], undefined);
  assert.ok(tried.verdict.state === "dead");
  assert.equal(tried.verdict.error.code, "completion_not_offered");
  assert.match(tried.verdict.error.message, /has not set BELLHOP_PUBLIC_URL and BELLHOP_SECRETS_KEY/);
  assert.equal(findCompleteUrls({ BELLHOP_PUBLIC_URL: undefined, BELLHOP_SECRETS_KEY: keys }), undefined);
  assert.equal(
    findCompleteUrls({ BELLHOP_PUBLIC_URL: "https://example.com", BELLHOP_SECRETS_KEY: undefined }),
    undefined,
  );
});

test("a callback is told no URL, and its receiver's later is a 202 like any other", async () => {
  sink.reply = () => later;
  const { tried, request } = await attempt({ taskId: null, trigger: "callback" });
  assert.equal(request.headers["bellhop-complete-url"], undefined);
  assert.equal(tried.verdict.state, "succeeded");
});

test("a run that was cancelled while its answer came is cancelled", async () => {
  const stop = new LazyAbort();
  sink.reply = () => {
    stop.abort(new AttemptStop("cancelled"));
    return later;
  };
  assert.equal((await attempt({}, { stop })).tried.verdict.state, "cancelled");
});
