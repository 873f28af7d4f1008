import assert from "node:assert/strict";
import { test } from "node:test";
import { describeChange, HIDDEN, MAX_AUDITED_CHARS } from "./audit.ts";

test("of a change the fields that differ are shown, as they were and as they are", () => {
  const before = { name: "mail", concurrency: 1, rate: null, gone: true };
  const after = { name: "mail", concurrency: 5, rate: { limit: 2 }, gone: undefined };
  assert.deepEqual(describeChange(before, after), {
    before: { concurrency: 1, rate: null, gone: true },
    after: { concurrency: 5, rate: { limit: 2 } },
  });
});

test("of what is made or removed everything is shown, on its side", () => {
  assert.deepEqual(describeChange(undefined, { a: 1 }), { before: null, after: { a: 1 } });
  assert.deepEqual(describeChange({ a: 1 }, undefined), { before: { a: 1 }, after: null });
  assert.deepEqual(describeChange(undefined, undefined), { before: null, after: null });
});

test("an instant is shown as one, wherever it stands", () => {
  const until = (text: string) => ({ pausedUntil: new Date(text), steps: [{ at: new Date(text) }] });
  const { before, after } = describeChange(until("2030-01-01T00:00:00Z"), until("2031-01-01T00:00:00Z"));
  const shown = "2030-01-01T00:00:00.000Z";
  assert.deepEqual(before, { pausedUntil: shown, steps: [{ at: shown }] });
  assert.deepEqual(after?.["pausedUntil"], "2031-01-01T00:00:00.000Z");
});

test("what may be secret is hidden, wherever it stands, and that it changed is shown", () => {
  const withSecret = (secret: string) => ({
    url: `https://user:${secret}@example.com/path?token=${secret}#${secret}`,
    headers: { "x-api-key": secret },
    env: { TOKEN: secret },
    body: { secret },
    input: secret,
    subject: secret,
    html: secret,
    attachments: [{ filename: "a", content: secret }],
    on: { failure: [{ type: "http", url: `https://example.com/?k=${secret}`, headers: { k: secret } }] },
  });
  const { before, after } = describeChange(withSecret("s3cret-1"), withSecret("s3cret-2"));
  assert.doesNotMatch(JSON.stringify([before, after]), /s3cret/);
  assert.deepEqual(after, {
    url: `https://example.com/${HIDDEN}`,
    headers: { "x-api-key": HIDDEN },
    env: { TOKEN: HIDDEN },
    body: HIDDEN,
    input: HIDDEN,
    subject: HIDDEN,
    html: HIDDEN,
    attachments: HIDDEN,
    on: { failure: [{ type: "http", url: `https://example.com/${HIDDEN}`, headers: { k: HIDDEN } }] },
  });
});

test("of an address is shown where it leads", () => {
  const shown = (url: string) => describeChange(undefined, { url }).after!["url"];
  for (const [url, expected] of [
    ["https://hooks.example.com:8443/services/T0/s3cret", `https://hooks.example.com:8443/${HIDDEN}`],
    ["https://example.com/", "https://example.com/"],
    ["https://example.com", "https://example.com/"],
    ["https://user:s3cret@example.com/", `https://example.com/${HIDDEN}`],
    ["https:\\\\user:s3cret@example.com", `https://example.com/${HIDDEN}`],
    ["mailto:s3cret", HIDDEN],
  ])
    assert.equal(shown(url!), expected, url);
});

test("a long value is told by its length", () => {
  const { after } = describeChange(undefined, { dates: "x".repeat(MAX_AUDITED_CHARS) });
  assert.deepEqual(after, { dates: `[${MAX_AUDITED_CHARS + 2} characters]` });
});
