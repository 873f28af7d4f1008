/** What is read quickly is what the schema makes of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { JsonSource } from "../json-source.ts";
import { createQuickReader } from "./quick-reader.ts";
import { newTask } from "./task-input.ts";
import { DEFAULT_POLICY, toWirePolicy } from "./task-policy.ts";

const { schema, readQuickly } = newTask(() => new Date("2026-06-01T12:00:00.000Z"));
const HTTP = { type: "http", url: "https://example.com/a?b=1" };

const READ = [
  HTTP,
  { ...HTTP, method: "post", body: { n: 1 }, schedule: { delay: "30d" } },
  { ...HTTP, body: new JsonSource('{"n":1.0}'), headers: { Authorization: "Bearer {{secrets.A}}" } },
  { ...HTTP, schedule: "every 1h", overlap: "wait", labels: { team: "a" }, key: "a:b", name: null },
  { ...HTTP, schedule: { cron: "0 9 * * 1-5", timezone: "Europe/Rome", jitter: "5m" }, ttl: "10m" },
  { ...HTTP, schedule: { at: "2026-12-01T09:00", timezone: "Europe/Rome" }, expect: { within: "2h" } },
  { ...HTTP, retry: { maxAttempts: 3, on: ["503", "connect_failed"] }, timeout: "1m", deadLetter: false },
  { ...HTTP, schedule: { at: "2026-12-01T09:00:00+02:00" } },
  { ...HTTP, schedule: { at: "2026-12-01T09:00:00.000Z" } },
  { ...HTTP, schedule: { delay: "P1D" }, timeout: "1m" },
  { ...HTTP, retry: null, timeout: null, queue: null, priority: null, overlap: null, schedule: null },
  {
    ...HTTP,
    retry: { backoff: { kind: "list", waits: ["1s", "1m"] } },
    queue: "mail",
    concurrencyKey: "c-7",
  },
  { ...HTTP, dedup: { window: "10m" }, on: { failure: [{ type: "email", to: "ops@example.com" }] } },
  { type: "email", to: "a@example.com", subject: "{{secrets.S}}", html: "<p>", cc: [], ttl: "1h" },
  { type: "function", function: "noop", input: { a: [1] }, debounce: { key: "a", wait: "1s" } },
  { type: "function", function: "noop", tag: "canary", collect: { size: 10, wait: "1s" } },
];

for (const given of READ)
  test(`reads ${JSON.stringify(given)}`, () => {
    const expected = schema.parse(given);
    // A set of fields is read by the schema when it is met first.
    readQuickly(given);
    // The second time by what is remembered.
    for (let n = 0; n < 2; n += 1) {
      const read = readQuickly(given);
      assert.deepStrictEqual(read, expected);
      assert.deepEqual(Object.keys(read!.task.spec), Object.keys(expected.task.spec), "in the same order");
      assert.deepStrictEqual(toWirePolicy(read!.task.policy), toWirePolicy(expected.task.policy));
    }
  });

const LEFT = [
  null,
  "text",
  [],
  {},
  { type: "ftp" },
  { type: "http" },
  { ...HTTP, colour: 1 },
  { ...HTTP, "method,schedule": 1 },
  { ...HTTP, method: "BREW" },
  { ...HTTP, url: "https://{{secrets.A}}/" },
  { ...HTTP, timeout: "1ms" },
  { ...HTTP, schedule: { at: "2020-01-01T00:00:00Z" } },
  { ...HTTP, schedule: { at: "2020-01-01T00:00:00.000Z" } },
  { ...HTTP, schedule: { at: "1899-12-31T23:59:59.999Z" } },
  { ...HTTP, schedule: { at: "9999-01-01T00:00:00.000Z" } },
  { ...HTTP, schedule: { at: "2026-02-30T09:00:00.000Z" } },
  { ...HTTP, schedule: { at: "2026-12-01T24:00:00.000Z" } },
  { ...HTTP, schedule: { delay: "-1s" } },
  { ...HTTP, schedule: { delay: 5 } },
  { ...HTTP, schedule: { at: "2026-12-01T09:00" } },
  { ...HTTP, schedule: { at: "1899-12-01T09:00:00Z" } },
  { ...HTTP, schedule: { delay: "1h", at: "2026-12-01T09:00:00Z" } },
  { ...HTTP, schedule: {} },
  { ...HTTP, schedule: { every: "1h", jitter: "10m" }, ttl: "10m" },
  { ...HTTP, collect: { size: 10, wait: "1s" } },
  { type: "email", to: "a@example.com", subject: "no body" },
  { ...HTTP, timeout: Number.POSITIVE_INFINITY },
  { ...HTTP, retry: { backoff: { kind: "list", waits: [Number.POSITIVE_INFINITY] } } },
  JSON.parse(`{"type":"http","url":"https://example.com/","__proto__":{"method":"POST"}}`),
];

for (const given of LEFT)
  test(`leaves ${JSON.stringify(given)} to the schema, which refuses it`, () => {
    assert.equal(schema.safeParse(given).success, false);
    // The second time by the same plan as what is read.
    for (let n = 0; n < 2; n += 1) assert.equal(readQuickly(given), undefined);
  });

test("tasks that say the same of their policy have one policy, those that say nothing the default", () => {
  const policyOf = (more: object) => {
    readQuickly({ ...HTTP, ...more });
    return readQuickly({ ...HTTP, ...more })!.task.policy;
  };
  assert.equal(policyOf({}), DEFAULT_POLICY);
  assert.equal(
    policyOf({ retry: { maxAttempts: 3 }, timeout: "1m" }),
    policyOf({ timeout: "1m", retry: { maxAttempts: 3 } }),
  );
  assert.notEqual(policyOf({ timeout: "1m" }), policyOf({ timeout: "2m" }));
  for (let n = 0; n < 2_000; n += 1) policyOf({ concurrencyKey: `customer-${n}` });
  assert.equal(policyOf({ concurrencyKey: "customer-7" }).concurrencyKey, "customer-7");
});

test("what many share cannot be changed by one of them", () => {
  const given = { ...HTTP, retry: { maxAttempts: 9 } };
  readQuickly(given);
  const { task } = readQuickly(given)!;
  for (const shared of [task.policy, task.policy.retry, task.policy.retry.backoff, task.labels])
    assert.ok(Object.isFrozen(shared), JSON.stringify(shared));
});

test("a text that was read before is read the same, one that was not is looked at", () => {
  const read = (url: string, method: string) => readQuickly({ ...HTTP, url, method });
  const [one, other] = ["https://example.com/1", "https://example.com/2"];
  read(one, "post");
  for (const url of [one, one, other, one]) {
    const { spec } = read(url, "post")!.task;
    assert.deepEqual([spec.type === "http" && spec.url, spec.type === "http" && spec.method], [url, "POST"]);
  }
  for (let n = 0; n < 2; n += 1) assert.equal(read("ftp://example.com/1", "post"), undefined);
  assert.ok(read(one, "post"));
});

test("only texts of fields that repeat are remembered: not who is written to, not what is written", () => {
  const looked: string[] = [];
  const lookedAt = (name: string) => z.string().refine(() => looked.push(name) > 0);
  const read = createQuickReader({
    shapeOf: (type) => ({ type: z.literal(type), url: lookedAt("url"), body: lookedAt("body") }),
    ...{ policyFields: [], toPolicy: () => DEFAULT_POLICY },
    ...{ repeatedFields: ["type", "url"], readers: {} },
  });
  const given = { type: "http", url: "https://example.com/", body: "of one task" };
  read(given);
  for (let n = 0; n < 3; n += 1) assert.ok(read(given));
  assert.deepEqual(looked, ["body", "url", "body", "body"]);

  const email = { type: "email", to: "a@example.com", subject: "s", body: "b" };
  const readTo = () => {
    const spec = readQuickly(email)!.task.spec;
    return spec.type === "email" && spec.to;
  };
  readQuickly(email);
  assert.notEqual(readTo(), readTo(), "each has its own");
});

test("what was left out is inherited by all tasks with the same fields, and cannot be changed", () => {
  const read = createQuickReader({
    shapeOf: (type) => ({ type: z.literal(type), name: z.string().default("none") }),
    ...{ policyFields: [], toPolicy: () => DEFAULT_POLICY },
    ...{ repeatedFields: [], readers: {} },
  });
  const given = { type: "http" };
  read(given);
  const { fields } = read(given)!;
  const inherited = Object.getPrototypeOf(fields) as { name: string };
  assert.throws(() => Object.assign(inherited, { name: "another" }), TypeError);
  assert.throws(() => Object.assign(fields, { name: "another" }), TypeError);
  assert.equal(Reflect.get(read(given)!.fields, "name"), "none");
});

test("fields in another order are the same set; however many sets are met, those in use are read quickly", () => {
  const given = { url: "https://example.com/", type: "http", queue: "mail" };
  readQuickly(given);
  assert.ok(readQuickly({ queue: "mail", ...HTTP }));
  for (let n = 0; n < 1_000; n += 1) readQuickly({ ...HTTP, [`unknown${n}`]: 1 });
  assert.ok(readQuickly(given), "sets that are met once take no room");
});

test("what no task has is not remembered: not a set with a field that nobody knows, not a type", () => {
  const given = { type: "email", to: "a@example.com", subject: "s", html: "<p>", cc: ["b@example.com"] };
  assert.equal(readQuickly(given), undefined, "met once");
  for (let n = 0; n < 1_000; n += 1) {
    readQuickly({ ...given, [`unknown${n}`]: 1 });
    readQuickly({ ...given, type: { n } });
  }
  assert.ok(readQuickly(given), "it has kept its place");
});
