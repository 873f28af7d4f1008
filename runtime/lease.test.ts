import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createWorkerLease } from "./lease.ts";

function openLease() {
  const clock = createManualClock();
  const lease = createWorkerLease(1_000, clock);
  return { clock, lease, renew: () => lease.renewing()() };
}

test("a lease stands from its first renewal for as long as it was taken", async () => {
  const { clock, lease, renew } = openLease();
  assert.equal(lease.stands(), false);
  renew();
  await clock.advance(999);
  assert.equal(lease.stands(), true);
  await clock.advance(1);
  assert.equal(lease.stands(), false);
});

test("a clock that is set back or forth makes no lease longer or shorter", async () => {
  const { clock, lease, renew } = openLease();
  renew();
  clock.set(new Date(Date.UTC(2027, 0, 1)));
  assert.equal(lease.stands(), true);
  clock.set(new Date(Date.UTC(2025, 0, 1)));
  await clock.advance(1_000);
  assert.equal(lease.stands(), false);
});

test("a term counts from when the renewal was sent, not from when it was confirmed", async () => {
  const { clock, lease } = openLease();
  const confirm = lease.renewing();
  await clock.advance(600);
  confirm();
  await clock.advance(399);
  assert.equal(lease.stands(), true);
  await clock.advance(1);
  assert.equal(lease.stands(), false);
});

test("a renewal that was overtaken by a later one shortens nothing", async () => {
  const { clock, lease, renew } = openLease();
  const confirmOld = lease.renewing();
  await clock.advance(500);
  renew();
  confirmOld();
  await clock.advance(999);
  assert.equal(lease.stands(), true);
});

test("what is watched has stood through renewals in time, and not through a lapse that a renewal has ended", async () => {
  const { clock, lease, renew } = openLease();
  renew();
  const hasStood = lease.watch();
  await clock.advance(900);
  renew();
  await clock.advance(900);
  assert.equal(hasStood(), true);
  await clock.advance(200);
  assert.equal(hasStood(), false);
  renew();
  assert.deepEqual([lease.stands(), hasStood()], [true, false]);
  assert.equal(lease.watch()(), true);
});

test("what is watched from before the lease stood has not stood", () => {
  const { lease, renew } = openLease();
  const hasStood = lease.watch();
  renew();
  assert.equal(hasStood(), false);
});

test("a first lease that no crash would survive stands until a renewal fails, or is durable with one that is", async () => {
  const { clock, lease, renew } = openLease();
  assert.equal(lease.ageMs(), 0);
  lease.renewing(false)();
  assert.deepEqual([lease.stands(), lease.isDurable()], [true, false]);
  const hasStood = lease.watch();
  lease.doubt();
  assert.deepEqual([lease.stands(), hasStood()], [false, false]);
  renew();
  assert.deepEqual([lease.stands(), lease.isDurable(), hasStood()], [true, true, false]);
  lease.doubt();
  assert.equal(lease.stands(), true, "the database has it for as long as it was taken");
  await clock.advance(300);
  renew();
  assert.equal(lease.ageMs(), 300);
});
