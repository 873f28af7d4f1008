import assert from "node:assert/strict";
import { test } from "node:test";
import { formatTraceparent, parseTraceparent } from "./traceparent.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

test("a traceparent is read and written", () => {
  const sampled = `00-${TRACE}-${SPAN}-01`;
  assert.deepEqual(parseTraceparent(sampled), { traceId: TRACE, spanId: SPAN, isSampled: true });
  assert.equal(formatTraceparent(parseTraceparent(sampled)!), sampled);
  assert.equal(parseTraceparent(`00-${TRACE}-${SPAN}-00`)?.isSampled, false);
  assert.equal(formatTraceparent(parseTraceparent(`00-${TRACE}-${SPAN}-02`)!), `00-${TRACE}-${SPAN}-00`);
});

test("of a later version the known part is read", () => {
  assert.equal(parseTraceparent(`01-${TRACE}-${SPAN}-01-more`)?.traceId, TRACE);
});

test("what is no context is none", () => {
  for (const text of [
    undefined,
    null,
    "",
    "x",
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}`,
  ])
    assert.equal(parseTraceparent(text), undefined, String(text));
});
