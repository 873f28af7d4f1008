/** What a worker keeps in mind of the permits that it was lent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type pg from "pg";
import type { Store } from "../database.ts";
import { borrowPermits, endLent, type Lending, noteMet, setAside } from "./lendings.ts";

const WORKER = "w";

function open(lends: Record<string, number>) {
  const store = { pool: {} as pg.Pool } as Store;
  const asked: string[][] = [];
  const lend = async (_store: Store, _worker: string, keys: string[]) => {
    asked.push(keys);
    return keys.flatMap((key) =>
      lends[key] ? [{ id: `${key}-${asked.length}`, key, count: lends[key] }] : [],
    );
  };
  return {
    ...{ store, asked },
    meet: (...keys: string[]) => noteMet(store, WORKER, new Set(keys)),
    borrow: (nowMs = 0) => borrowPermits(store, WORKER, { lend, nowMs }),
    setAside: (count: number, nowMs = 0) => setAside(store, WORKER, count, nowMs),
  };
}

interface Run {
  lent?: readonly Lending[];
}

test("it asks for permits of the limits that it met, and not at once again for what it was refused", async () => {
  const { asked, meet, borrow, setAside } = open({ far: 10 });
  await borrow();
  assert.deepEqual(asked, []);
  assert.equal(meet("far", "near"), true);
  await borrow();
  assert.deepEqual(asked, [["far", "near"]]);
  assert.equal(meet("far"), false, "of that it has some");
  assert.equal(meet("far", "near"), true);
  await borrow(999);
  assert.equal(asked.length, 1);
  meet("near");
  await borrow(1_000);
  assert.deepEqual(asked[1], ["near"]);
  assert.deepEqual(setAside(1)?.ids, ["far-1"]);
});

test("what a claim did not start goes back, and what it started at its end", async () => {
  const { meet, borrow, setAside } = open({ far: 3 });
  assert.equal(setAside(1), undefined);
  meet("far");
  await borrow();
  const all = setAside(3)!;
  assert.equal(setAside(1), undefined);
  const [first, second, unlimited]: Run[] = [{}, {}, {}];
  all.settle([
    { keys: ["far", "unheard"], run: first! },
    { keys: ["far"], run: second! },
    { keys: ["other"], run: unlimited! },
  ]);
  assert.deepEqual(first!.lent, second!.lent);
  assert.equal(unlimited!.lent, undefined);
  assert.equal(setAside(2), undefined);
  setAside(1)!.settle([]);
  endLent([first!, second!, unlimited!]);
  assert.deepEqual(setAside(3)!.ids, ["far-1"]);
});

test("it counts on none that were called back, that a failed claim may have used, or that are a minute old", async () => {
  const { meet, borrow, setAside } = open({ far: 3, other: 3 });
  meet("far", "other");
  await borrow();
  setAside(1)!.settle([], ["other"]);
  assert.deepEqual(setAside(1)!.ids, ["other-1"]);
  setAside(1)!.lose();
  assert.equal(setAside(1), undefined);
  meet("far");
  await borrow(2_000);
  assert.deepEqual(setAside(1, 61_999)!.ids, ["far-2"]);
  assert.equal(setAside(1, 62_000), undefined);
});

test("a run that ends gives nothing to permits that were lent after its own", async () => {
  const { meet, borrow, setAside } = open({ far: 1 });
  meet("far");
  await borrow();
  const run: Run = {};
  setAside(1)!.settle([{ keys: ["far"], run }], []);
  meet("far");
  await borrow(2_000);
  const again = setAside(1)!;
  assert.deepEqual(again.ids, ["far-2"]);
  endLent([run]);
  assert.equal(setAside(1), undefined);
});
