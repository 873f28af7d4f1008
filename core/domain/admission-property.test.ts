/** Decisions about limits, held against what they promise, said in another way. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assertHolds } from "../../test/support/properties.ts";
import { type Candidate, decideAdmission, decideStarts } from "./admission.ts";
import { countFree, type Limit } from "./limit.ts";
import { burstOf, countStarts, intervalOf } from "./rate.ts";

const KEYS = ["a", "b", "c", "without a limit"] as const;
const anyFree = fc
  .tuple(fc.integer({ min: -1, max: 4 }), fc.nat(4), fc.nat(4))
  .map((counts) => new Map(counts.map((count, index) => [KEYS[index] as string, count])));
const anyScarce = fc
  .tuple(fc.nat(1), fc.nat(1), fc.nat(1))
  .map((counts) => new Map(counts.map((count, index) => [KEYS[index] as string, count])));
const anyLine = fc
  .array(
    fc.record({
      keys: fc.uniqueArray(fc.constantFrom<string>(...KEYS)),
      priority: fc.nat(2),
      isAsked: fc.boolean(),
      suitsWorker: fc.boolean(),
    }),
    { maxLength: 12 },
  )
  // What a worker asks for suits it.
  .map((line) =>
    line.map((run, index) => ({ ...run, id: `${index}`, suitsWorker: run.isAsked || run.suitsWorker })),
  );

const countOf = (runs: readonly Candidate[], key: string) =>
  runs.filter(({ keys }) => keys.includes(key)).length;
const idsOf = (runs: readonly { id: string }[]) => runs.map(({ id }) => id);

test("a run is admitted where those before it have left it a permit of each of its keys", () => {
  const property = fc.property(anyLine, anyFree, (line, free) => {
    const { admitted, refused } = decideAdmission(line, free);
    assert.deepEqual(
      [...idsOf(admitted), ...idsOf(refused)].sort(),
      idsOf(line).sort(),
      "each is admitted or refused",
    );
    for (const run of line) {
      const before = admitted.filter(({ id }) => Number(id) < Number(run.id));
      const full = run.keys.find((key) => free.has(key) && countOf(before, key) >= free.get(key)!);
      assert.equal(refused.find(({ id }) => id === run.id)?.key, full);
    }
  });
  assertHolds(property, 500);
});

/** Runs that hold permits and have not started. */
const anyYielding = fc
  .array(
    fc.record({
      priority: fc.nat(2),
      permits: fc.uniqueArray(fc.constantFrom<string>(...KEYS), { minLength: 1 }),
    }),
    { maxLength: 4 },
  )
  .map((runs) => runs.map((run, index) => ({ ...run, id: `yielding ${index}` })));

test("who starts in the place of another has a higher priority, and nothing that this one has not yielded", () => {
  const property = fc.property(anyLine, anyScarce, anyYielding, (line, free, yielding) => {
    const given = { slots: line.length, line, granted: [], free };
    const { start, hold } = decideStarts({ ...given, yielding });
    const passing = start.filter(({ insteadOf }) => insteadOf);
    const yielded = passing.map(({ id, insteadOf }) => {
      const run = yielding.find((each) => each.id === insteadOf!.id)!;
      assert.ok(run.priority < line[Number(id)]!.priority);
      assert.ok(line[Number(id)]!.isAsked);
      return run;
    });
    assert.equal(new Set(idsOf(yielded)).size, yielded.length, "each yields once");
    const isHeld = new Set(idsOf(hold));
    assert.ok(yielded.every(({ id }) => isHeld.has(id)));
    const isYielded = (id: string, key: string) =>
      yielding.some((run) => run.permits.includes(key) && run.id === id);
    for (const { insteadOf } of passing) assert.ok(isYielded(insteadOf!.id, insteadOf!.key));
    // So it is whichever of them have started meanwhile.
    for (const [key, count] of free) {
      const taking = start.filter(({ insteadOf }) => !(insteadOf && isYielded(insteadOf.id, key)));
      assert.ok(countOf(taking, key) <= Math.max(count, 0), key);
    }
    const without = decideStarts({ ...given, yielding: [] });
    const others = start.filter(({ insteadOf }) => !insteadOf);
    assert.deepEqual(idsOf(others), idsOf(without.start), "nobody else starts, or waits, for its sake");
  });
  assertHolds(property, 500);
});

test("a claim starts as many as it has slots and permits for, and nobody who does not suit", () => {
  const anyGranted = fc
    .nat(4)
    .map((count) => Array.from({ length: count }, (_, index) => `granted ${index}`));
  const property = fc.property(anyLine, anyFree, anyGranted, fc.nat(4), (line, free, granted, more) => {
    const asked = line.filter(({ isAsked }) => isAsked);
    const slots = asked.length + more;
    const { start, startGranted, hold } = decideStarts({ slots, line, granted, yielding: [], free });
    assert.ok(start.length + startGranted.length <= slots);
    for (const [key, count] of free) assert.ok(countOf(start, key) <= Math.max(count, 0), key);
    const started = new Set(idsOf(start));
    assert.ok(line.every(({ id, suitsWorker }) => suitsWorker || !started.has(id)));
    assert.deepEqual(
      [...asked.filter(({ id }) => started.has(id)), ...hold].map(({ id }) => id).sort(),
      idsOf(asked).sort(),
      "whoever is asked for starts or waits",
    );
    assert.deepEqual(startGranted, granted.slice(0, startGranted.length), "in the order of their turns");
    if (start.length + startGranted.length === slots) return;
    assert.equal(
      startGranted.length,
      granted.length,
      "no slot is left while one that was granted could start",
    );
    const { admitted } = decideAdmission(line, free);
    const left = admitted.filter(({ id }) => !started.has(id) && line[Number(id)]!.suitsWorker);
    assert.deepEqual(left, [], "nor while one that is entitled could");
  });
  assertHolds(property, 500);
});

test("a rate lets start what a bucket holds that is filled drop by drop", () => {
  const anyRate = fc.record({
    limit: fc.constantFrom(1, 2, 5, 10),
    perMs: fc.constantFrom(10, 1_000, 60_000),
    burst: fc.option(fc.integer({ min: 1, max: 20 })),
  });
  const anyWants = fc.array(fc.record({ afterMs: fc.nat(3_000), wanted: fc.nat(6) }), { maxLength: 20 });
  const property = fc.property(anyRate, anyWants, (rate, wants) => {
    const [intervalMs, burst] = [intervalOf(rate), burstOf(rate)];
    let nowMs = 1_700_000_000_000;
    let fullAtMs = 0;
    /** In milliseconds of its being filled. */
    let levelMs = burst * intervalMs;
    for (const { afterMs, wanted } of wants) {
      nowMs += afterMs;
      levelMs = Math.min(levelMs + afterMs, burst * intervalMs);
      const most = countStarts({ intervalMs, burst, fullAtMs }, nowMs);
      assert.equal(most, Math.floor(levelMs / intervalMs));
      const starts = Math.min(wanted, most);
      fullAtMs = Math.max(fullAtMs, nowMs) + starts * intervalMs;
      levelMs -= starts * intervalMs;
    }
  });
  assertHolds(property, 500);
});

test("a limit leaves what its permits, its rate and its pause leave, and never less than none", () => {
  const anyBucket = fc.record({
    intervalMs: fc.constantFrom(1, 100),
    burst: fc.integer({ min: 1, max: 5 }),
    fullAtMs: fc.integer({ min: 0, max: 1_000 }),
  });
  const anyLimit: fc.Arbitrary<Limit> = fc.record({
    key: fc.constant("a"),
    concurrency: fc.option(fc.nat(5)),
    permitsHeld: fc.nat(8),
    isPaused: fc.boolean(),
    bucket: fc.option(anyBucket),
  });
  const property = fc.property(anyLimit, fc.nat(1_000), (limit, nowMs) => {
    const free = countFree(limit, nowMs);
    if (limit.concurrency === null) return assert.equal(free, Number.POSITIVE_INFINITY);
    const bounds = [limit.concurrency - limit.permitsHeld];
    if (limit.isPaused) bounds.push(0);
    if (limit.bucket) bounds.push(countStarts(limit.bucket, nowMs));
    assert.equal(free, Math.max(0, Math.min(...bounds)));
  });
  assertHolds(property, 300);
});
