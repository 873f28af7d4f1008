import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { createCompletionTokens } from "./completion-tokens.ts";

const facts = { runId: "01a20a28-a81c-7294-862d-1a27e97c0d32", claimNo: 7 };
const keys = [randomBytes(32), randomBytes(32)];

test("a token tells its attempt, to whoever has its key", () => {
  const [newKey, oldKey] = keys as [Buffer, Buffer];
  const old = createCompletionTokens([oldKey]).make(facts);
  assert.match(old, /^bhc_[A-Za-z0-9_-]{70}$/);
  assert.deepEqual(createCompletionTokens([newKey, oldKey]).read(old), facts);
  assert.equal(createCompletionTokens([newKey]).read(old), undefined);
  assert.notEqual(createCompletionTokens([newKey, oldKey]).make(facts), old, "the first key makes them");
});

test("another attempt has another token, and no changed one is taken", () => {
  const tokens = createCompletionTokens(keys);
  const token = tokens.make(facts);
  assert.notEqual(tokens.make({ ...facts, claimNo: 8 }), token);
  const bytes = Buffer.from(token.slice(4), "base64url");
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 1;
    assert.equal(tokens.read(`bhc_${changed.toString("base64url")}`), undefined, `byte ${at}`);
  }
  for (const other of [
    "",
    "bhc_",
    token.slice(0, -1),
    `${token}A`,
    token.replace("bhc_", "bhk_"),
    `${token}\n`,
  ])
    assert.equal(tokens.read(other), undefined, other);
});
