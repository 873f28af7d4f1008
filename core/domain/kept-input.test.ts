import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../json.ts";
import { JsonSource } from "../json-source.ts";
import { keepInput, keepOriginal, MAX_KEPT_INPUT_BYTES, MAX_ORIGINAL_INPUT_BYTES } from "./kept-input.ts";

const asIs = <T extends Json>(value: T) => value;

test("an input is kept up to its bound, which counts bytes of JSON text; of a longer one nothing is", () => {
  const ofBytes = (count: number) => "x".repeat(count - 2);
  const longest = ofBytes(MAX_KEPT_INPUT_BYTES);
  assert.deepEqual(keepInput(longest, "invoke", asIs), { value: longest, fate: "kept" });
  const tooLong = { value: null, fate: "too_long" };
  assert.deepEqual(keepInput(ofBytes(MAX_KEPT_INPUT_BYTES + 1), "invoke", asIs), tooLong);
  assert.deepEqual(keepInput("ü".repeat(MAX_KEPT_INPUT_BYTES / 2), "invoke", asIs), tooLong);
  const grow = () => longest.repeat(2) as never;
  assert.deepEqual(keepInput("short", "invoke", grow), tooLong);
});

test("one that came as its text is kept as that, unless a secret may be in it", () => {
  const source = new JsonSource('{"token":"secret"}');
  assert.deepEqual(keepInput(source, "invoke", undefined), { value: source, fate: "kept" });
  assert.deepEqual(keepInput(source, "invoke", asIs), { value: { token: "secret" }, fate: "kept" });
  const redact = () => ({ token: "[redacted]" }) as never;
  assert.deepEqual(keepInput(source, "invoke", redact), { value: { token: "[redacted]" }, fate: "redacted" });
  const long = new JsonSource(`"${"ü".repeat(MAX_KEPT_INPUT_BYTES / 2)}"`);
  assert.deepEqual(keepInput(long, "invoke", undefined), { value: null, fate: "too_long" });
  assert.equal(keepOriginal(long, "invoke", "too_long"), long);
});

test("of a request method and URL are kept, whatever else it holds", () => {
  const request = { method: "POST", url: "http://a/?b=c", headers: [["x", "secret"]], body: "c2VjcmV0" };
  for (const trigger of ["http", "hook"] as const)
    assert.deepEqual(keepInput({ request }, trigger, asIs).value, {
      request: { method: "POST", url: "http://a/?b=c" },
    });
  assert.equal(keepInput(null, "http", asIs).value, null);
  // What an invocation is given may look like one.
  assert.deepEqual(keepInput({ request }, "invoke", asIs).value, { request });
});

test("an input is told from one that lost a secret, also where the search made another object of it", () => {
  const input = { token: "secret" };
  const copy = <T extends Json>(value: T) => structuredClone(value);
  assert.deepEqual(keepInput(input, "invoke", copy), { value: input, fate: "kept" });
  const redact = () => ({ token: "[redacted]" }) as never;
  assert.deepEqual(keepInput(input, "invoke", redact), { value: { token: "[redacted]" }, fate: "redacted" });
});

test("the original is kept where the row shows another input, up to its bound; of a function's URL never", () => {
  const longest = "x".repeat(MAX_ORIGINAL_INPUT_BYTES - 2);
  for (const shown of [undefined, "kept"] as const)
    assert.equal(keepOriginal("given", "invoke", shown), undefined);
  assert.equal(keepOriginal("given", "invoke", "redacted"), "given");
  assert.equal(keepOriginal(longest, "invoke", "too_long"), longest);
  assert.equal(keepOriginal(`${longest}x`, "invoke", "too_long"), undefined);
  assert.equal(keepOriginal("given", "http", "redacted"), undefined);
});
