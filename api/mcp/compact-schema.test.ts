import assert from "node:assert/strict";
import { test } from "node:test";
import { compactSchema } from "./compact-schema.ts";

test("bounds of texts and lists, and patterns that only forbid, are left out", () => {
  const text = { type: "string", maxLength: 8_192, pattern: "^[^\\u0000-\\u001f]*$" } as const;
  assert.deepEqual(compactSchema({ type: "array", items: text, maxItems: 10 }), {
    type: "array",
    items: { type: "string" },
  });
  const name = { type: "string", pattern: "^[a-z]+$" } as const;
  assert.deepEqual(compactSchema(name), name);
  assert.deepEqual(compactSchema({ type: "string", format: "uuid", pattern: "^.$" }), {
    type: "string",
    format: "uuid",
  });
});

test("a number keeps its bounds, and a text without a description its examples", () => {
  const number = { type: "integer", minimum: 1, maximum: 100 } as const;
  assert.deepEqual(compactSchema(number), number);
  assert.deepEqual(compactSchema({ type: "string", examples: ["1s"], description: "A duration." }), {
    type: "string",
    description: "A duration.",
  });
  assert.deepEqual(compactSchema({ type: "string", examples: ["1s"] }), { type: "string", examples: ["1s"] });
});

test("a choice within a choice is one", () => {
  const inner = { anyOf: [{ type: "string" as const }, { type: "object" as const }] };
  assert.deepEqual(compactSchema({ anyOf: [inner, { type: "null" }] }), {
    anyOf: [{ type: "string" }, { type: "object" }, { type: "null" }],
  });
});

test("fields that are alike are said once, unless they are short, or some are required", () => {
  const long = { type: "string", description: "x".repeat(100) } as const;
  const three = {
    type: "object",
    properties: { a: long, b: long, c: long },
    additionalProperties: false,
  } as const;
  assert.deepEqual(compactSchema(three), {
    type: "object",
    propertyNames: { enum: ["a", "b", "c"] },
    additionalProperties: long,
  });
  assert.deepEqual(compactSchema({ ...three, required: ["a"] }), { ...three, required: ["a"] });
  const short = { type: "boolean" } as const;
  const brief = { type: "object", properties: { a: short, b: short, c: short } } as const;
  assert.deepEqual(compactSchema(brief), brief);
});
