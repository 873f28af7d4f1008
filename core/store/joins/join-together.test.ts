import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store } from "../database.ts";
import { joinTogether } from "./join-together.ts";

const PLACE = { namespaceId: "one", scope: "greet", key: "k" };

/** Calls that come while the first is under way, which ends with `code` where "bad" is among them. */
async function joinWithBad(code: string) {
  const store = { pool: {} } as Store;
  const groups: string[][] = [];
  const gate = Promise.withResolvers<void>();
  const joinAll = async (calls: string[]) => {
    groups.push(calls);
    await gate.promise;
    if (calls.includes("bad")) throw Object.assign(new Error("refused"), { code });
    return calls;
  };
  const all = ["first", "second", "bad", "third"].map((call) =>
    joinTogether(store, PLACE, call, joinAll).catch(() => "rejected"),
  );
  gate.resolve();
  return { answers: await Promise.all(all), groups };
}

test("a call whose input the database refuses is refused alone, and the others join without it", async () => {
  const { answers, groups } = await joinWithBad("22P05");
  assert.deepEqual(answers, ["first", "second", "rejected", "third"]);
  assert.deepEqual(groups, [["first"], ["second", "bad", "third"], ["second"], ["bad"], ["third"]]);
});

test("what is no one call's fault is told to all of the group, and not tried again", async () => {
  const { answers, groups } = await joinWithBad("57P01");
  assert.deepEqual(answers, ["first", "rejected", "rejected", "rejected"]);
  assert.equal(groups.length, 2);
});
