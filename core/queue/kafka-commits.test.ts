import assert from "node:assert/strict";
import { test } from "node:test";
import { createCommits } from "./kafka-commits.ts";

/** A consumer whose commits end when the test says. */
function openCommits() {
  const sent: string[][] = [];
  const underWay: PromiseWithResolvers<void>[] = [];
  const commit = createCommits(
    {
      commitOffsets(offsets) {
        sent.push(offsets.map(({ topic, partition, offset }) => `${topic} ${partition} ${offset}`));
        underWay.push(Promise.withResolvers());
        return underWay.at(-1)!.promise;
      },
    },
    "runs",
  );
  return { commit, sent, underWay };
}

const turn = () => new Promise((resolve) => void setImmediate(resolve));

test("partitions that are dealt with in one turn are one commit", async () => {
  const { commit, sent, underWay } = openCommits();
  const done = Promise.all([commit(0, "5"), commit(3, "7")]);
  await turn();
  assert.deepEqual(sent, [["runs 0 5", "runs 3 7"]]);
  underWay[0]!.resolve();
  await done;
});

test("what is dealt with during a commit waits for the next, the last offset of each partition", async () => {
  const { commit, sent, underWay } = openCommits();
  const first = commit(0, "5");
  await turn();
  let isDone = false;
  const others = Promise.all([commit(0, "6"), commit(1, "2"), commit(0, "9")]).then(() => {
    isDone = true;
  });
  await turn();
  assert.equal(sent.length, 1);
  underWay[0]!.resolve();
  await first;
  await turn();
  assert.deepEqual(sent, [["runs 0 5"], ["runs 0 9", "runs 1 2"]]);
  assert.ok(!isDone);
  underWay[1]!.resolve();
  await others;
});

test("a commit that fails is told to all who are in it, and to nobody else", async () => {
  const { commit, sent, underWay } = openCommits();
  const lost = new Error("the group has changed");
  const refused = [commit(0, "5"), commit(1, "5")].map((each) => assert.rejects(each, lost));
  await turn();
  const later = commit(1, "6");
  underWay[0]!.reject(lost);
  await Promise.all(refused);
  await turn();
  assert.deepEqual(sent.at(-1), ["runs 1 6"]);
  underWay[1]!.resolve();
  await later;
});
