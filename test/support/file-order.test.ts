import assert from "node:assert/strict";
import { test } from "node:test";
import { orderFiles } from "./file-order.ts";

test("files that mostly wait are spread evenly among those that compute, and come first", () => {
  const computing = ["api/a.test.ts", "core/b.test.ts", "core/c.test.ts", "test/support/d.test.ts"];
  const waiting = ["test/kafka/k.test.ts", "test/system/s.test.ts"];
  assert.deepEqual(orderFiles([...computing, ...waiting]), [
    ...["test/kafka/k.test.ts", "api/a.test.ts", "core/b.test.ts"],
    ...["test/system/s.test.ts", "core/c.test.ts", "test/support/d.test.ts"],
  ]);
  assert.deepEqual(orderFiles(computing), computing);
  assert.deepEqual(orderFiles(waiting), waiting);
});
