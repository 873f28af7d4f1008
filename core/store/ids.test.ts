import assert from "node:assert/strict";
import { test } from "node:test";
import { earliestTraceOf, isId, newId } from "./ids.ts";

test("ids are UUIDv7, each another, and sort by creation", () => {
  const beganMs = Date.now();
  const ids = Array.from({ length: 20_000 }, newId);
  for (const id of ids) assert.ok(isId(id) && id[14] === "7" && "89ab".includes(id[19]!), id);
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual([...ids].sort(), ids);
  const createdAtMs = Number.parseInt(ids[0]!.replaceAll("-", "").slice(0, 12), 16);
  assert.ok(createdAtMs >= beganMs && createdAtMs <= Date.now());
  assert.ok(earliestTraceOf(ids[0]!).getTime() < beganMs);
  // What follows time and count is random.
  const tails = new Set(ids.map((id) => id.slice(24)));
  assert.ok(tails.size > ids.length - 10);
});
