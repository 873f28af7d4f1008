import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Candidate, chooseWorker, hashId } from "./choose-worker.ts";

interface Worker extends Candidate {
  name: string;
}

const worker = (name: string, slots = 100): Worker => ({
  ...{ name, slots, hash: hashId(name), inFlight: 0, ofRevision: 0 },
});
const fleet = (count: number) => Array.from({ length: count }, (_, n) => worker(`worker ${n}`));
const REVISIONS = Array.from(
  { length: 1_000 },
  (_, n) => `0193a000-0000-7000-8000-${String(n).padStart(12, "0")}`,
);
const leaderOf = (revision: string, workers: Worker[]) => chooseWorker(hashId(revision), workers)!.name;
const leaders = (workers: Worker[]) => REVISIONS.map((revision) => leaderOf(revision, workers));

function count(names: string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

describe("a worker for a call", () => {
  test("is the same each time, in whatever order they are known", () => {
    const workers = fleet(4);
    assert.deepEqual(leaders(workers.toReversed()), leaders(workers));
  });

  test("leads for its share of the revisions, by its slots", () => {
    for (const revisions of count(leaders(fleet(4))).values())
      assert.ok(revisions > 200 && revisions < 300, `${revisions} of 1,000`);
    const counts = count(leaders([worker("small", 50), worker("large", 150)]));
    assert.ok(counts.get("large")! > 700 && counts.get("large")! < 800, `${counts.get("large")} of 1,000`);
  });

  test("that comes or goes moves its share and no other revision", () => {
    const five = fleet(5);
    const [before, after] = [leaders(five.slice(0, 4)), leaders(five)];
    const moved = after.filter((name, n) => name !== before[n]);
    assert.ok(moved.every((name) => name === "worker 4"));
    assert.ok(moved.length > 150 && moved.length < 250, `${moved.length} of 1,000`);
  });

  test("that has filled is passed over for the next one, which is the same each time, too", () => {
    const workers = fleet(4);
    const leader = leaderOf(REVISIONS[0]!, workers);
    const rest = workers.filter(({ name }) => name !== leader);
    const next = leaderOf(REVISIONS[0]!, rest);
    for (const filled of [{ inFlight: 25 }, { inFlight: 8, ofRevision: 8 }]) {
      const seen = workers.map((each) => (each.name === leader ? { ...each, ...filled } : each));
      assert.equal(leaderOf(REVISIONS[0]!, seen), next);
    }
    const busy = workers.map((each) =>
      each.name === leader ? { ...each, inFlight: 24, ofRevision: 7 } : each,
    );
    assert.equal(leaderOf(REVISIONS[0]!, busy), leader);
  });

  test("where all are well used has no more than a quarter above the average", () => {
    const workers = fleet(4).map((each) => ({ ...each, inFlight: 60 }));
    const leader = leaderOf(REVISIONS[0]!, workers);
    const above = workers.map((each) => (each.name === leader ? { ...each, inFlight: 90 } : each));
    assert.notEqual(leaderOf(REVISIONS[0]!, above), leader);
    const near = workers.map((each) => (each.name === leader ? { ...each, inFlight: 70 } : each));
    assert.equal(leaderOf(REVISIONS[0]!, near), leader);
  });

  test("where a revision has many calls on all of them is the one with most room", () => {
    const workers = fleet(4).map((each, n) => ({ ...each, inFlight: 20 - n, ofRevision: 8 }));
    assert.equal(leaderOf(REVISIONS[0]!, workers), "worker 3");
  });

  test("has a slot left", () => {
    const full = fleet(2).map((each) => ({ ...each, inFlight: 100 }));
    assert.equal(chooseWorker(1, full), undefined);
    assert.equal(chooseWorker(1, []), undefined);
    assert.equal(chooseWorker(1, [...full, { ...worker("last"), inFlight: 99 }])!.name, "last");
  });
});

test("a hundred functions stand on one worker each, while their calls are few", () => {
  const workers = fleet(4);
  const stood = new Set<string>();
  const underWay: { worker: Worker }[] = [];
  for (let call = 0; call < 20_000; call++) {
    const revision = REVISIONS[call % 100]!;
    const chosen = chooseWorker(hashId(revision), workers)!;
    chosen.inFlight++;
    stood.add(`${revision} ${chosen.name}`);
    underWay.push({ worker: chosen });
    if (underWay.length >= 32) underWay.shift()!.worker.inFlight--;
  }
  assert.equal(stood.size, 100);
});
