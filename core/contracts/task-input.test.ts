import assert from "node:assert/strict";
import { test } from "node:test";
import type { HttpSpec } from "../domain/task-spec.ts";
import { IN_PLAIN_WORDS, toFieldErrors } from "./plain-words.ts";
import { type TaskInput, taskInput } from "./task-input.ts";
import { DEFAULT_POLICY } from "./task-policy.ts";

const NOW = new Date("2026-06-01T12:00:00.000Z");
const schema = taskInput(() => NOW);
const http = { type: "http", url: "https://example.com/hook" };
const email = { type: "email", to: "ada@example.com", subject: "Hello", body: "…" };
const call = { type: "function", function: "greet" };

const accept = (input: unknown): TaskInput => schema.parse(input);
const scheduleOf = (schedule: unknown) => accept({ ...http, schedule }).schedule;

/** The refused fields, dotted, each with what is said of it. */
function refuse(input: unknown): Record<string, string> {
  const parsed = schema.safeParse(input, IN_PLAIN_WORDS);
  assert.ok(!parsed.success, `accepted: ${JSON.stringify(input)}`);
  const refused: Record<string, string> = {};
  for (const { field, message } of toFieldErrors(parsed.error.issues))
    refused[field] = `${refused[field] ?? ""} ${message}`;
  return refused;
}

/** Refused for exactly this field, with these words. */
function assertRefused(input: unknown, field: string, words: RegExp): void {
  const refused = refuse(input);
  assert.deepEqual(Object.keys(refused), [field], JSON.stringify(input));
  assert.match(refused[field]!, words);
}

test("an http task with everything a first example has", () => {
  const input = accept({
    type: "http",
    method: "POST",
    url: "https://example.com/orders",
    headers: { "X-Token": "abc" },
    body: { order: 1 },
    schedule: { every: "10s" },
  });
  assert.deepEqual(input, {
    key: null,
    name: null,
    spec: {
      type: "http",
      method: "POST",
      url: "https://example.com/orders",
      headers: { "X-Token": "abc" },
      body: { order: 1 },
      followRedirects: true,
    },
    schedule: { kind: "every", everyMs: 10_000 },
    policy: DEFAULT_POLICY,
    labels: {},
    on: null,
  } satisfies TaskInput);
});

test("the least of each type, with its defaults", () => {
  const least = accept(http);
  assert.deepEqual(least.schedule, { kind: "now" });
  assert.deepEqual(least.spec, { ...http, method: "GET", headers: {}, followRedirects: true });
  assert.deepEqual(accept(email).spec, {
    ...email,
    to: ["ada@example.com"],
    cc: [],
    bcc: [],
    attachments: [],
  });
  assert.deepEqual(accept(call).spec, { ...call, input: null });
});

test("every kind of schedule", () => {
  assert.deepEqual(scheduleOf({ at: "2026-12-01T10:00:00+01:00" }), {
    kind: "once",
    at: "2026-12-01T09:00:00.000Z",
  });
  assert.deepEqual(scheduleOf({ delay: "0s" }), { kind: "delay", delayMs: 0 });
  assert.deepEqual(scheduleOf({ delay: "PT1H30M" }), { kind: "delay", delayMs: 5_400_000 });
  assert.deepEqual(scheduleOf({ every: "1s" }), { kind: "every", everyMs: 1_000 });
  assert.deepEqual(scheduleOf({ cron: "0 9 * * MON" }), {
    kind: "cron",
    expression: "0 9 * * MON",
    timezone: "UTC",
  });
  assert.deepEqual(scheduleOf({ cron: " @daily ", timezone: "Europe/Rome" }), {
    kind: "cron",
    expression: "@daily",
    timezone: "Europe/Rome",
  });
});

test("a text by itself is the schedule that it can only mean", () => {
  for (const expression of ["*/5 * * * *", "30 0 12 1 * *", "@daily", " 0 9 * * MON "])
    assert.deepEqual(scheduleOf(expression), {
      ...{ kind: "cron", expression: expression.trim(), timezone: "UTC" },
    });
  for (const schedule of ["10m", "2026-12-01T09:00", "every day", "daily", "", 5, [], true])
    assertRefused({ ...http, schedule }, "schedule", /"every": "1h".*"cron": "\*\/5 \* \* \* \*"/);
  assertRefused({ ...http, schedule: "* * * *" }, "schedule.cron", /has five fields/);
  assertRefused({ ...http, schedule: "99 * * * *" }, "schedule.cron", /"99" is not a valid minute: 0 to 59/);
});

test("an interval, a rule and an instant may stand by themselves as well", () => {
  for (const text of ["every 10m", "every 10 minutes", "@every 10m", "rate(10 minutes)"])
    assert.deepEqual(scheduleOf(text), { kind: "every", everyMs: 600_000 }, text);
  assert.deepEqual(scheduleOf("every 1h30m"), { kind: "every", everyMs: 5_400_000 });
  assert.deepEqual(scheduleOf("2026-12-01T09:00:00+01:00"), { kind: "once", at: "2026-12-01T08:00:00.000Z" });
  const rule = "FREQ=MONTHLY;BYDAY=-1FR";
  assert.deepEqual(scheduleOf(rule), { kind: "rrule", rule, timezone: "UTC" });
  assertRefused({ ...http, schedule: "every 5ms" }, "schedule.every", /at least 1s/);
});

test("a local time is the instant at which the zone's clocks show it", () => {
  const local = (at: string) => scheduleOf({ at, timezone: "Europe/Rome" });
  const once = (at: string, instant: string) => ({
    ...{ kind: "once", at: instant, local: { at, timezone: "Europe/Rome" } },
  });
  for (const [at, instant] of [
    ["2026-12-01T09:00", "2026-12-01T08:00:00.000Z"],
    ["2026-07-01T09:00:30", "2026-07-01T07:00:30.000Z"],
    // Left out, and there twice.
    ["2027-03-28T02:30", "2027-03-28T01:30:00.000Z"],
    ["2026-10-25T02:30", "2026-10-25T00:30:00.000Z"],
  ] as const)
    assert.deepEqual(local(at), once(at, instant));
  assert.deepEqual(scheduleOf({ every: "1d", anchor: "2026-07-01T09:00", timezone: "Europe/Rome" }), {
    ...{ kind: "every", everyMs: 86_400_000, anchor: "2026-07-01T07:00:00.000Z", timezone: "Europe/Rome" },
  });
});

test("a run that waits for its place in the window is not over before it", () => {
  const schedule = { every: "1h", jitter: "5m" };
  assertRefused({ ...http, schedule, ttl: "5m" }, "ttl", /longer than the schedule's jitter/);
  assertRefused({ ...http, schedule, deadline: "1m" }, "deadline", /longer than the schedule's jitter/);
  accept({ ...http, schedule, ttl: "301s", deadline: "6m" });
});

test("an instant a moment ago is within the grace, clocks differ; beyond it lies in the past", () => {
  assert.deepEqual(scheduleOf({ at: "2026-06-01T11:59:55.000Z" }), {
    kind: "once",
    at: "2026-06-01T11:59:55.000Z",
  });
  assertRefused({ ...http, schedule: { at: "2026-06-01T11:59:54.999Z" } }, "schedule.at", /past/);
});

test("a schedule that cannot be names its field", () => {
  const cases: [unknown, string, RegExp][] = [
    [{}, "schedule", /exactly one/],
    [{ at: "2026-12-01T09:00:00Z", every: "10s" }, "schedule", /exactly one/],
    [{ delay: "1s", cron: "* * * * *" }, "schedule", /exactly one/],
    [
      { delay: "10s", timezone: "Europe/Rome" },
      "schedule.timezone",
      /only at, cron, every, rrule take a tim/,
    ],
    [{ at: "2026-12-01T09:00:00Z", timezone: "Europe/Rome" }, "schedule.timezone", /only a local time takes/],
    [{ at: "2026-12-01T09:00" }, "schedule.at", /a local time needs a timezone/],
    [
      { rrule: "FREQ=MONTHLY;BYDAY=1MO", anchor: "0000-01-01T00:00:00Z", timezone: "America/Havana" },
      "schedule.anchor",
      /lies before the year 1900/,
    ],
    [{ at: "2026-12-01T25:00", timezone: "Europe/Rome" }, "schedule.at", /RFC 3339.*local time/],
    [{ cron: ["* * * * *", "99 * * * *"] }, "schedule.cron.1", /"99" is not a valid minute/],
    [{ cron: [] }, "schedule.cron", /./],
    [
      { cron: "* * * * *", anchor: "2026-12-01T09:00:00Z" },
      "schedule.anchor",
      /only every, rrule take anchor/,
    ],
    [{ every: "1h", gap: "skip" }, "schedule.gap", /only cron, rrule take gap/],
    [{ cron: "* * * * *", gap: "jump" }, "schedule.gap", /shift or skip/],
    [{ cron: "* * * * *", repeat: "twice" }, "schedule.repeat", /first or both/],
    [
      { every: "1h", startAt: "2026-12-02T00:00:00Z", endAt: "2026-12-01T00:00:00Z" },
      "schedule.endAt",
      /before startAt/,
    ],
    [{ cron: "0 0 1 1 *", endAt: "2026-12-01T00:00:00Z" }, "schedule.endAt", /never fires before its end/],
    [{ every: "1h", exclude: {} }, "schedule.exclude", /holds dates/],
    [{ every: "1h", exclude: { dates: ["25.12."] } }, "schedule.exclude.dates.0", /2026-12-25/],
    [{ every: "1h", exclude: { dates: ["2026-02-30"] } }, "schedule.exclude.dates.0", /2026-12-25/],
    [{ every: "1h", exclude: { cron: "99 * * * *" } }, "schedule.exclude.cron", /"99"/],
    [{ every: "1h", exclude: { cron: "* * * * *" } }, "schedule.exclude", /does not fire for a long time/],
    [{ rrule: "FREQ=FORTNIGHTLY" }, "schedule.rrule", /"FREQ=FORTNIGHTLY" is not valid/],
    [{ rrule: "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30" }, "schedule.rrule", /does not fire for a long time/],
    [{ at: "tomorrow" }, "schedule.at", /RFC 3339/],
    [{ at: "2026-12-01T09:00:00" }, "schedule.at", /RFC 3339/],
    ["every 10", "schedule", /by itself may stand/],
    [{ at: "2026-02-30T09:00:00Z" }, "schedule.at", /RFC 3339/],
    [{ at: "2026-12-31T23:59:60Z" }, "schedule.at", /RFC 3339/],
    [{ at: 1_800_000_000_000 }, "schedule.at", /./],
    [{ delay: "-5s" }, "schedule.delay", /negative/],
    [{ delay: "soon" }, "schedule.delay", /duration/],
    [{ delay: "9999d" }, "schedule.delay", /at most 3660d/],
    [{ delay: 5 }, "schedule.delay", /./],
    [{ every: "999ms" }, "schedule.every", /at least 1s/],
    [{ every: "0s" }, "schedule.every", /at least 1s/],
    [{ every: "-10s" }, "schedule.every", /negative/],
    [{ cron: "0 0 30 2 *" }, "schedule.cron", /never fires/],
    [{ cron: "61 * * * *" }, "schedule.cron", /61/],
    [{ cron: "whenever" }, "schedule.cron", /five fields/],
    [{ cron: "H * * * *" }, "schedule.cron", /hashed/],
    [{ cron: "* * * * *", timezone: "Mars/Phobos" }, "schedule.timezone", /unknown timezone "Mars\/Phobos"/],
    [{ cron: "* * * * *", timezone: "+02:00" }, "schedule.timezone", /unknown timezone/],
    [{ delay: "10s", jitter: "1s" }, "schedule.jitter", /only cron, every, rrule take jitter/],
    [{ every: "10s", jitter: "25h" }, "schedule.jitter", /at most 1d/],
    [{ every: "10s", maxRuns: 0 }, "schedule.maxRuns", /whole number from 1/],
    [{ every: "10s", maxRunss: 1 }, "schedule.maxRunss", /unknown field/],
    ["10s", "schedule", /./],
  ];
  for (const [schedule, field, words] of cases) assertRefused({ ...http, schedule }, field, words);
});

test("a type is one of three", () => {
  assertRefused({ ...http, type: "ftp" }, "type", /http, email, function/);
  assertRefused({ url: http.url }, "type", /http, email, function/);
  for (const input of [null, [], "http", 5]) assert.ok(!schema.safeParse(input).success);
});

test("a field of nobody is refused by name, also deep inside and one of another type", () => {
  assertRefused({ ...http, retries: 3 }, "retries", /unknown field/);
  assertRefused({ ...http, subject: "x" }, "subject", /unknown field/);
  assertRefused({ ...email, url: http.url }, "url", /unknown field/);
  assertRefused({ ...http, retry: { attempts: 3 } }, "retry.attempts", /unknown field/);
  assertRefused({ ...http, retry: { backoff: { min: "1s" } } }, "retry.backoff.min", /unknown field/);
  assertRefused(
    { ...email, attachments: [{ filename: "a", content: "", path: "/etc/passwd" }] },
    "attachments.0.path",
    /unknown field/,
  );
});

test("a URL is absolute and http or https", () => {
  for (const url of [
    "ftp://example.com",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "/hook",
    "example.com",
    "",
    "http://",
  ]) {
    assertRefused({ ...http, url }, "url", /absolute http/);
  }
  assertRefused({ type: "http" }, "url", /./);
  assertRefused({ ...http, method: "TRACE" }, "method", /./);
  assert.equal((accept({ ...http, method: "patch" }).spec as { method: string }).method, "PATCH");
});

test("redirects are followed, or not, or as a GET", () => {
  for (const followRedirects of [true, false, "as-get"] as const) {
    const { spec } = accept({ ...http, followRedirects });
    assert.equal(spec.type === "http" && spec.followRedirects, followRedirects);
  }
  for (const followRedirects of ["get", "true", 1, null]) {
    assertRefused({ ...http, followRedirects }, "followRedirects", /must be true, false or "as-get"/);
  }
});

test("a header holds no line break, in its name or its value", () => {
  assertRefused({ ...http, headers: { "x-a": "1\r\nx-b: 2" } }, "headers.x-a", /line break/);
  assertRefused({ ...http, headers: { "x-a": "\u0000" } }, "headers.x-a", /control/);
  assertRefused({ ...http, headers: { "x-a\n": "1" } }, "headers.x-a\n", /header name/);
  assertRefused({ ...http, headers: { "": "1" } }, "headers.", /header name/);
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`x-${index}`, "1"]));
  assertRefused({ ...http, headers: many }, "headers", /at most 100/);
});

test("an address is one address, without a line break", () => {
  for (const to of ["ada@example.com\nbcc: x@example.com", "ada", "a@b, c@d", "a@b@c", "", []]) {
    assertRefused({ ...email, to }, "to", /./);
  }
  assertRefused({ ...email, from: "ada@example.com\r\n" }, "from", /line break/);
  assertRefused({ ...email, replyTo: "Ada" }, "replyTo", /user@example\.com/);
  assertRefused({ ...email, cc: ["x@example.com", "nobody"] }, "cc.1", /user@example\.com/);
  const named = accept({
    ...email,
    to: ["Ada Lovelace <ada@example.com>", "bob@example.com"],
    cc: "c@example.com",
  }).spec;
  assert.ok(named.type === "email");
  assert.deepEqual(named.to, ["Ada Lovelace <ada@example.com>", "bob@example.com"]);
  assert.deepEqual(named.cc, ["c@example.com"]);
});

test("a name in quotes may hold a comma, in every field of addresses", () => {
  const jane = '"Doe, Jane" <jane@example.com>';
  for (const field of ["from", "to", "cc", "bcc", "replyTo"]) accept({ ...email, [field]: jane });
  const odd = [
    '"O\\"Hara; (x) <a@b>" <o@example.com>',
    '"x@evil.example" <x@example.com>',
    '"" <y@example.com>',
  ];
  const { spec } = accept({ ...email, to: [jane, ...odd] });
  assert.ok(spec.type === "email");
  assert.deepEqual(spec.to, [jane, ...odd]);
});

test("what a mail program might read as two addresses, or another one, is refused", () => {
  for (const to of [
    "Doe, Jane <jane@example.com>",
    '"Doe, Jane <jane@example.com>',
    '"Doe" Jane" <jane@example.com>',
    '"a" <a@example.com>, <b@example.com>',
    '"a" <a@example.com>, b@example.com',
    '"a" <a@example.com> <b@example.com>',
    '"a" <a@example.com>; b@example.com',
    "Team: a@example.com, b@example.com;",
    "Team: Ann <a@example.com>",
    '"a, b"@example.com',
    '"a\\" <b@example.com>',
    "a@example.com (b@example.com)",
    "(a@example.com) <b@example.com>",
    '"a\r\nBcc: x@example.com" <a@example.com>',
    '"a" <a@example.com\nBcc: x@example.com>',
    '"a" <>',
    '"a"',
  ]) {
    assertRefused({ ...email, to }, "to", /address/);
    assertRefused({ ...email, from: to }, "from", /address|control/);
  }
});

test("a header value with a character above U+00FF is refused by name of that character", () => {
  assertRefused(
    { ...http, headers: { "x-price": "5 €" } },
    "headers.x-price",
    /"€" \(U\+20AC\).*above U\+00FF/,
  );
  assertRefused({ ...http, headers: { "x-a": "fine 😀" } }, "headers.x-a", /"😀" \(U\+1F600\)/);
  accept({ ...http, headers: { "x-a": "caf\u00e9 \u00ff" } });
});

test("an e-mail says something, and its subject is one line", () => {
  const { body: _body, ...silent } = email;
  assertRefused(silent, "body", /body or html/);
  assert.equal(accept({ ...silent, html: "<p>Hi</p>" }).spec.type, "email");
  assertRefused({ ...email, subject: "Hi\nBcc: x@example.com" }, "subject", /line break/);
  assertRefused(
    { ...email, attachments: [{ filename: "a.txt", content: "not base64!" }] },
    "attachments.0.content",
    /./,
  );
});

test("retry, timeout and labels within their bounds", () => {
  const input = accept({
    ...http,
    retry: { maxAttempts: 1, backoff: { initial: "200ms", factor: 1.5, max: "1m", jitter: false } },
    timeout: "100ms",
    deadLetter: false,
    labels: { "team/owner": "ops" },
  });
  assert.deepEqual(input.policy, {
    ...DEFAULT_POLICY,
    retry: { maxAttempts: 1, backoff: { initialMs: 200, factor: 1.5, maxMs: 60_000, jitter: false } },
    timeoutMs: 100,
    deadLetter: false,
  });
  assert.deepEqual(input.labels, { "team/owner": "ops" });
  assert.deepEqual(accept({ ...http, retry: { maxAttempts: 9 } }).policy.retry, {
    ...DEFAULT_POLICY.retry,
    maxAttempts: 9,
  });
  const cases: [object, string][] = [
    [{ retry: { maxAttempts: 0 } }, "retry.maxAttempts"],
    [{ retry: { maxAttempts: 1.5 } }, "retry.maxAttempts"],
    [{ retry: { backoff: { factor: 0.5 } } }, "retry.backoff.factor"],
    [{ retry: { backoff: { initial: "0s" } } }, "retry.backoff.initial"],
    [{ retry: { backoff: { kind: "quadratic" } } }, "retry.backoff.kind"],
    [{ retry: { backoff: { kind: "list" } } }, "retry.backoff.waits"],
    [{ retry: { backoff: { kind: "list", waits: [] } } }, "retry.backoff.waits"],
    [{ retry: { backoff: { kind: "list", waits: ["1m", "soon"] } } }, "retry.backoff.waits.1"],
    [{ retry: { backoff: { kind: "list", waits: ["1m"], factor: 2 } } }, "retry.backoff.factor"],
    [{ retry: { backoff: { kind: "linear", factor: 2 } } }, "retry.backoff.factor"],
    [{ retry: { backoff: { waits: ["1m"] } } }, "retry.backoff.waits"],
    [{ retry: { on: ["http_status", "oops"] } }, "retry.on.1"],
    [{ retry: { on: ["6xx"] } }, "retry.on.0"],
    [{ retry: { on: [600] } }, "retry.on.0"],
    [{ retry: { on: ["deadline_exceeded"] } }, "retry.on.0"],
    [{ retry: { on: [] } }, "retry.on"],
    [{ ttl: "0s" }, "ttl"],
    [{ deadline: 5 }, "deadline"],
    [{ pauseAfterFailures: 0 }, "pauseAfterFailures"],
    [{ pauseAfterFailures: 101 }, "pauseAfterFailures"],
    [{ timeout: "99ms" }, "timeout"],
    [{ timeout: "2h" }, "timeout"],
    [{ timeout: 30 }, "timeout"],
    [{ name: "" }, "name"],
    [{ labels: { "": "x" } }, "labels."],
    [{ expectStatus: [99] }, "expectStatus.0"],
    [{ expectStatus: [] }, "expectStatus"],
  ];
  for (const [more, field] of cases) assertRefused({ ...http, ...more }, field, /./);
});

test("a URL leads to no port where mail, X11 or another protocol listens", () => {
  for (const port of [25, 465, 587, 110, 143, 993, 995, 6000])
    for (const scheme of ["http", "https"])
      assertRefused(
        { ...http, url: `${scheme}://example.com:${port}/` },
        "url",
        /another protocol than HTTP/,
      );
  for (const url of ["http://example.com:80/", "https://example.com:443/", "http://example.com:8025/"])
    assert.equal((accept({ ...http, url }).spec as HttpSpec).url, url);
});

test("a function has a name of its own kind", () => {
  for (const name of ["Greet", "1st", "a b", "", "x".repeat(64)]) {
    assertRefused({ ...call, function: name }, "function", /lower-case/);
  }
  assert.deepEqual(accept({ ...call, input: { deep: [1, null] } }).spec, {
    ...call,
    input: { deep: [1, null] },
  });
});

const CONTROLS = ["\0", "\x07", "\t", "\n", "\r", "\x1b", "\x1f", "\x7f", "\x85", "\x9b"];

test("no part of an e-mail but its content holds a control character, and the field is named", () => {
  for (const control of CONTROLS) {
    const evil = `a${control}b@example.com`;
    const named = `Ada${control} <ada@example.com>`;
    for (const field of ["from", "to", "cc", "bcc", "replyTo"])
      for (const value of [evil, named])
        assertRefused({ ...email, [field]: value }, field, /control character/);
    assertRefused({ ...email, to: ["ok@example.com", evil] }, "to.1", /control character/);
    assertRefused({ ...email, subject: `Hi${control}` }, "subject", /control character/);
    const file = { filename: "a.txt", content: "aGk=" };
    const faults = { filename: `a${control}.txt`, contentType: `text/plain${control}` };
    for (const [part, value] of Object.entries(faults))
      assertRefused(
        { ...email, attachments: [{ ...file, [part]: value }] },
        `attachments.0.${part}`,
        /control/,
      );
  }
  const content = { body: "a\ttab, \x1b[1mbold\x1b[0m\n", html: "<p>\n</p>" };
  assert.deepEqual(accept({ ...email, ...content }).spec, { ...accept(email).spec, ...content });
});

test("neither a name, a label, a URL nor a header's name holds a control character; a header's value a tab at most", () => {
  for (const control of CONTROLS) {
    assertRefused({ ...http, name: `a${control}b` }, "name", /control character/);
    assertRefused({ ...http, labels: { team: `a${control}b` } }, "labels.team", /control character/);
    assertRefused({ ...http, labels: { [`te${control}am`]: "a" } }, `labels.te${control}am`, /label name/);
    assertRefused({ ...http, url: `http://example.com/a${control}b` }, "url", /control character/);
    assertRefused({ ...http, headers: { [`x${control}a`]: "1" } }, `headers.x${control}a`, /header name/);
    if (control === "\t" || control >= "\x80") accept({ ...http, headers: { "x-a": `1${control}2` } });
    else assertRefused({ ...http, headers: { "x-a": `1${control}2` } }, "headers.x-a", /control character/);
  }
});

test("several refusals are told at once", () => {
  const refused = refuse({ type: "http", url: "nowhere", schedule: { every: "1ms" }, color: "red" });
  assert.deepEqual(Object.keys(refused).sort(), ["color", "schedule.every", "url"]);
});
