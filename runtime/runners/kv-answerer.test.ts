import assert from "node:assert/strict";
import { test } from "node:test";
import type { KvEntry } from "../../core/store/functions/kv.ts";
import { createKeyValueAnswerer, type KeyValueStore } from "./kv-answerer.ts";

function openAnswerer(given: Partial<KeyValueStore> = {}) {
  const asked: unknown[] = [];
  const errors: unknown[] = [];
  const entry: KvEntry = { key: "a", value: "1", version: "7" };
  const store: KeyValueStore = {
    get: async (key) => (key === "a" ? entry : undefined),
    async set(ask) {
      asked.push(ask);
      return { version: "8" };
    },
    delete: async (key) => key === "a",
    async list(ask) {
      asked.push(ask);
      return { entries: [entry], after: null };
    },
    ...given,
  };
  const answer = createKeyValueAnswerer(store, (error) => errors.push(error));
  return {
    asked,
    errors,
    say: async (ask: unknown) => JSON.parse(await answer(JSON.stringify(ask))),
    answer,
  };
}

test("answers get, set, delete and list", async () => {
  const { say, asked } = openAnswerer();
  assert.deepEqual(await say({ op: "get", key: "a" }), { ok: { key: "a", value: "1", version: "7" } });
  assert.deepEqual(await say({ op: "get", key: "b" }), { ok: null });
  assert.deepEqual(await say({ op: "set", key: "a", value: "[1]", ifVersion: null }), {
    ok: { version: "8" },
  });
  assert.deepEqual(await say({ op: "delete", key: "a", ifVersion: "7" }), { ok: { deleted: true } });
  assert.deepEqual((await say({ op: "list" })).ok.after, null);
  assert.deepEqual(asked, [
    { key: "a", value: "[1]", ifVersion: null },
    { prefix: "", after: undefined, limit: 100 },
  ]);
});

test("refuses what cannot be, whoever says it", async () => {
  const { say, answer, asked } = openAnswerer();
  const bad: unknown[] = [
    null,
    [],
    { op: "drop" },
    { op: "get" },
    { op: "get", key: "" },
    { op: "get", key: "a\0b" },
    { op: "get", key: "\ud800" },
    { op: "get", key: "x".repeat(513) },
    { op: "get", key: "a", more: 1 },
    { op: "set", key: "a", value: 1 },
    { op: "set", key: "a", value: "{" },
    { op: "set", key: "a", value: "1", ifVersion: 7 },
    { op: "list", limit: 101 },
    { op: "list", limit: 0 },
    { op: "list", prefix: "x".repeat(513) },
  ];
  for (const ask of bad) assert.equal((await say(ask)).error.code, "kv_invalid", JSON.stringify(ask));
  assert.equal(JSON.parse(await answer("{")).error.code, "kv_invalid");
  const large = JSON.stringify("x".repeat(65_535));
  assert.equal((await say({ op: "set", key: "a", value: large })).error.code, "kv_value_too_large");
  assert.deepEqual(asked, []);
});

test("conflicts are answers, quotas are errors, and nothing of the database is told", async () => {
  const conflict = openAnswerer({ set: async () => "conflict" });
  const set = { op: "set", key: "a", value: "1" };
  assert.deepEqual(await conflict.say(set), { ok: { conflict: true } });
  const full = openAnswerer({ set: async () => "quota" });
  assert.equal((await full.say(set)).error.code, "kv_quota_exceeded");
  const away = openAnswerer({
    get: () => Promise.reject(new Error("relation secret does not exist")),
  });
  const { error } = await away.say({ op: "get", key: "a" });
  assert.equal(error.code, "kv_unavailable");
  assert.doesNotMatch(error.message, /secret/);
  assert.equal(away.errors.length, 1);
});

test("a run has a thousand operations", async () => {
  const { say } = openAnswerer();
  for (let n = 0; n < 1_000; n += 1) await say({ op: "get", key: "a" });
  assert.equal((await say({ op: "get", key: "a" })).error.code, "kv_limit");
});
