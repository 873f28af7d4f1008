import assert from "node:assert/strict";
import { test } from "node:test";
import { findGrowth, findSlope, type Point, tellGrowth } from "./judge.ts";

const SECONDS = 1_200;
const EVERY = 10;
const ALLOWANCE = { share: 0.1, least: 5 };

const points = (heightAt: (atSeconds: number) => number): Point[] =>
  Array.from({ length: SECONDS / EVERY }, (_, index) => ({
    atSeconds: index * EVERY,
    value: heightAt(index * EVERY),
  }));

const tell = (heightAt: (atSeconds: number) => number) =>
  tellGrowth("memory", "MB", points(heightAt), ALLOWANCE);

test("a slope is the points' own, and leaps do not tilt it", () => {
  assert.equal(findSlope(points((at) => 2 * at + 1)), 2);
  assert.equal(findSlope(points((at) => (at % 100 === 0 ? 9_999 : 3))), 0);
  assert.equal(findSlope([{ atSeconds: 1, value: 4 }]), 0);
});

test("what rests is not told of, however it warmed up", () => {
  assert.equal(
    tell(() => 200),
    undefined,
  );
  assert.equal(
    tell((at) => Math.min(200, at)),
    undefined,
  );
});

test("what swings, or is swept now and then, is not told of", () => {
  assert.equal(
    tell((at) => 100 + (at % 60)),
    undefined,
  );
  assert.equal(
    tell((at) => 100 + 30 * Math.sin(at)),
    undefined,
  );
});

test("what leaks slowly is told of, also where it swings", () => {
  assert.match(tell((at) => 100 + at / 30)!, /^memory grew by 19\.\d MB in the second half/);
  assert.match(tell((at) => 100 + (at % 60) + at / 20)!, /memory grew by/);
});

test("of what is collected now and then, what is left is judged", () => {
  const swings = (leak: number) => points((at) => 100 + (at % 110) + leak * at);
  const allowance = { share: 0.1, least: 5, lowOfSeconds: 120 };
  assert.equal(tellGrowth("heap", "MB", swings(0), allowance), undefined);
  assert.match(tellGrowth("heap", "MB", swings(0.05), allowance)!, /^heap grew by [23]\d/);
});

test("what falls, and rises to where it has been, has not grown", () => {
  assert.equal(
    tell((at) => (at < 500 ? 200 : 100 + Math.min(100, (at - 500) / 4))),
    undefined,
  );
});

test("little growth of something small, and of something large, is allowed", () => {
  assert.equal(
    tell((at) => 3 + at / 200),
    undefined,
  );
  assert.equal(
    tell((at) => 1_000 + at / 20),
    undefined,
  );
});

test("of a few points nothing is said", () => {
  assert.equal(findGrowth(points((at) => at).slice(0, 10), ALLOWANCE), undefined);
});
