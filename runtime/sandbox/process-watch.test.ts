import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decideKill, ResidentMemory, residentLimitBytes, runAllowanceBytes } from "./process-watch.ts";

describe("decideKill", () => {
  const runs = [{ killAt: 100 }, { killAt: 200 }];

  test("lets a process be that keeps its limits", () => {
    assert.equal(decideKill(99, 10, 10, runs), undefined);
    assert.equal(decideKill(99, undefined, 10, runs), undefined);
  });

  test("names the run that is overdue", () => {
    assert.deepEqual(decideKill(100, 10, 10, runs), { cause: "overdue", run: runs[0] });
    assert.deepEqual(decideKill(200, 10, 10, [runs[1]!]), { cause: "overdue", run: runs[1] });
  });

  test("kills for memory first", () => {
    assert.deepEqual(decideKill(500, 11, 10, runs), { cause: "memory" });
  });
});

test("the limit grows with what runs, up to the most", () => {
  const budget = { slackBytes: 10, maxBytes: 1_000 };
  assert.equal(residentLimitBytes(budget, 100, 50), 160);
  assert.equal(residentLimitBytes(budget, 100, 5_000), 1_000);
  assert.ok(runAllowanceBytes(128) > 128 * 1_048_576);
});

test("reads the resident memory of a process", (t) => {
  if (process.platform !== "linux") return;
  const memory = new ResidentMemory(process.pid);
  t.after(() => memory.close());
  const actual = process.memoryUsage.rss();
  const read = memory.readBytes();
  assert.ok(read !== undefined && Math.abs(read - actual) < actual / 4, `${read} against ${actual}`);
  assert.equal(new ResidentMemory(2 ** 30).readBytes(), undefined);
});
