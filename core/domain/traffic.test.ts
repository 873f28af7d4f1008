import assert from "node:assert/strict";
import { test } from "node:test";
import { leadingRevision, pickRevision } from "./traffic.ts";

const [OLD, NEW] = ["0190aaaa-0000-7000-8000-000000000001", "0190aaaa-0000-7000-8000-000000000002"];
const keys = Array.from({ length: 20_000 }, (_, index) => `caller ${index}`);
const pick = (traffic: Record<string, number>, key: string) => pickRevision(traffic, "function", key);

test("one revision with all traffic gets every call, none gets none", () => {
  assert.equal(pick({ [NEW]: 100, [OLD]: 0 }, "anyone"), NEW);
  assert.equal(pick({ [OLD]: 0 }, "anyone"), undefined);
  assert.equal(pick({}, "anyone"), undefined);
});

test("shares are kept to over many callers", () => {
  const count = keys.filter((key) => pick({ [OLD]: 90, [NEW]: 10 }, key) === NEW).length;
  assert.ok(Math.abs(count / keys.length - 0.1) < 0.01, `${count} of ${keys.length}`);
});

test("a caller stays with its revision, whatever the order the shares are written in", () => {
  for (const key of keys.slice(0, 100)) {
    assert.equal(pick({ [OLD]: 50, [NEW]: 50 }, key), pick({ [NEW]: 50, [OLD]: 50 }, key));
  }
});

test("a share that grows keeps the callers it had", () => {
  const early = keys.filter((key) => pick({ [OLD]: 90, [NEW]: 10 }, key) === NEW);
  for (const key of early) assert.equal(pick({ [OLD]: 50, [NEW]: 50 }, key), NEW);
});

test("callers of different functions are split apart", () => {
  const traffic = { [OLD]: 50, [NEW]: 50 };
  const same = keys.filter((key) => pickRevision(traffic, "a", key) === pickRevision(traffic, "b", key));
  assert.ok(Math.abs(same.length / keys.length - 0.5) < 0.03);
});

test("the largest share leads, the newer of two equal ones", () => {
  assert.equal(leadingRevision({ [OLD]: 90, [NEW]: 10 }), OLD);
  assert.equal(leadingRevision({ [OLD]: 50, [NEW]: 50 }), NEW);
  assert.equal(leadingRevision({ [OLD]: 0 }), undefined);
});
