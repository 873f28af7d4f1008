import assert from "node:assert/strict";
import { test } from "node:test";
import { toFnResponse } from "./response.ts";

test("a function's headers go to its caller, but for what the server says itself and what would reach beyond its URL", () => {
  const headers: [string, string][] = [
    ["Content-Type", "text/html"],
    ["Service-Worker-Allowed", "/"],
    ["Content-Length", "7"],
  ];
  const response = toFnResponse({ status: 200, headers }, "<p>hi", "run-1");
  assert.deepEqual(
    [...response.headers],
    [
      ["bellhop-run-id", "run-1"],
      ["content-type", "text/html"],
    ],
  );
});
