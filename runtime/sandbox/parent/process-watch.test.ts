import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "node:test";
import { ResidentMemory } from "../../../core/processes/resident-memory.ts";
import {
  decideKill,
  descendantBytes,
  lowerSlowly,
  nextLookMs,
  ProcessWatch,
  residentLimitBytes,
  runAllowanceBytes,
  togetherBytes,
} from "./process-watch.ts";

const MEGABYTE = 1_048_576;

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

test("however many run at once, together they may add what four of the largest may", () => {
  const alone = runAllowanceBytes(64);
  assert.equal(togetherBytes(alone, 64), alone);
  assert.equal(togetherBytes(8 * alone, 64), 256 * MEGABYTE);
  // One alone always has all of its own.
  assert.equal(togetherBytes(runAllowanceBytes(8), 8), runAllowanceBytes(8));
});

test("memory is looked at the sooner, the nearer its limit and the more cores can fill it", () => {
  assert.equal(nextLookMs(1_000 * MEGABYTE, 2), 10);
  assert.equal(nextLookMs(26 * MEGABYTE, 2), 5);
  assert.equal(nextLookMs(26 * MEGABYTE, 16), 2);
  assert.equal(nextLookMs(-1, 2), 2);
});

test("what is allowed grows at once and shrinks by half a megabyte a millisecond", () => {
  assert.equal(lowerSlowly(200, 100, 0), 200);
  assert.equal(lowerSlowly(0, 100 * MEGABYTE, 10), 95 * MEGABYTE);
  assert.equal(lowerSlowly(7, 100 * MEGABYTE, 1_000), 7);
});

test("a process that takes more than it may is doomed", async () => {
  if (process.platform !== "linux") return;
  const runs = [{ killAt: Number.POSITIVE_INFINITY }];
  const doomed = Promise.withResolvers<unknown>();
  const watched = {
    pid: () => process.pid,
    allowanceBytes: () => 0,
    warmBytes: () => 0,
    grantedBytes: () => 0,
    memoryMbOf: () => 0,
    runs: () => runs,
    isIdle: () => false,
  };
  const budget = { slackBytes: 0, maxBytes: MEGABYTE };
  const watch = new ProcessWatch(budget, watched, doomed.resolve);
  watch.wake();
  // Its timer holds nobody's event loop: here nothing else does.
  const hold = setInterval(() => {}, 60_000);
  assert.deepEqual(await doomed.promise, { cause: "memory" });
  clearInterval(hold);
  watch.close();
});

test("what isolates have come to hold that stay warm is no run's growth", async () => {
  if (process.platform !== "linux") return;
  let warmBytes = 10 * MEGABYTE;
  let grantedBytes = 0;
  const doomed = Promise.withResolvers<unknown>();
  let looks = 0;
  const lookedTwice = Promise.withResolvers<void>();
  const watched = {
    pid: () => process.pid,
    allowanceBytes: () => 0,
    warmBytes: () => warmBytes,
    grantedBytes: () => grantedBytes,
    memoryMbOf: () => 0,
    runs() {
      if (++looks >= 4) lookedTwice.resolve();
      return [{ killAt: Number.POSITIVE_INFINITY }];
    },
    isIdle: () => false,
  };
  const hold = setInterval(() => {}, 60_000);
  // It holds more than its slack: only what is warm lets it be.
  grantedBytes = 512 * MEGABYTE;
  const watch = new ProcessWatch({ slackBytes: -256 * MEGABYTE, maxBytes: 0 }, watched, doomed.resolve);
  watch.wake();
  warmBytes += 512 * MEGABYTE;
  assert.equal(await Promise.race([doomed.promise, lookedTwice.promise]), undefined);
  grantedBytes = 0;
  assert.deepEqual(await doomed.promise, { cause: "memory" });
  clearInterval(hold);
  watch.close();
});

test("what descends from a process is counted with it", async (t) => {
  if (process.platform !== "linux") return;
  const child = spawn(process.execPath, [
    "--eval",
    "process.stdout.write('here'); setInterval(() => {}, 60_000)",
  ]);
  t.after(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  assert.ok(descendantBytes(process.pid) > 10 * MEGABYTE);
  assert.equal(descendantBytes(2 ** 30), 0);
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
