import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { askServer, createLeaseJudge } from "./contact.ts";
import { openTestStore } from "./testing/test-store.ts";

const { db } = await openTestStore(createTestDatabase);
const LEASE_MS = 15_000;
const STARTED = new Date(0);

/** A judge whose words and clock the test makes up, both in milliseconds. */
function openJudge() {
  let nowMs = 0;
  const judge = createLeaseJudge(LEASE_MS, () => nowMs);
  return (atMs: number, heardAtMs = atMs, serverStartedAt = STARTED) => {
    nowMs = heardAtMs;
    const at = new Date(atMs);
    return judge.mayJudge({ at, exactAt: at.toISOString(), serverStartedAt });
  };
}

test("leases are judged once the database has been reached for a whole lease", () => {
  const hear = openJudge();
  assert.deepEqual(
    [0, 5_000, 10_000, 14_999, 15_000, 20_000].map((ms) => hear(ms)),
    [false, false, false, false, true, true],
  );
});

const BREAKS: Record<string, [atMs: number, heardAtMs: number, startedAt?: Date]> = {
  "a database that stood still": [40_000, 40_000],
  "an answer that was long on its way": [25_000, 40_000],
  "a clock of the database that jumped": [60_000, 25_000],
  "a clock of the database that was put back": [5_000, 25_000],
  "another server in its place": [25_000, 25_000, new Date(1)],
};
for (const [what, [atMs, heardAtMs, startedAt]] of Object.entries(BREAKS)) {
  test(`${what} begins the lease anew`, () => {
    const hear = openJudge();
    for (const ms of [0, 5_000, 10_000, 15_000]) hear(ms);
    assert.equal(hear(20_000), true);
    assert.equal(hear(atMs, heardAtMs, startedAt), false);
    const later = [5_000, 10_000, 14_999, 15_000];
    assert.deepEqual(
      later.map((ms) => hear(atMs + ms, heardAtMs + ms, startedAt)),
      [false, false, false, true],
    );
  });
}

test("an answer that was overtaken by a later one changes nothing", () => {
  const hear = openJudge();
  for (const ms of [0, 5_000, 10_000]) hear(ms);
  assert.equal(hear(15_000), true);
  assert.equal(hear(14_000, 15_100), true, "leases may be compared with an earlier instant, too");
  assert.equal(hear(20_000), true);
});

test("a gap of half a lease is none", () => {
  const hear = openJudge();
  assert.deepEqual(
    [0, 7_500, 10_000, 12_500, 15_000].map((ms) => hear(ms)),
    [false, false, false, false, true],
  );
});

const hearOften = (hear: ReturnType<typeof openJudge>, fromMs: number, untilMs: number): boolean => {
  let mayJudge = false;
  for (let ms = fromMs; ms <= untilMs; ms += 2_500) mayJudge = hear(ms);
  return mayJudge;
};

for (const [first, second] of [
  [7_000, 5_100],
  [5_100, 5_100],
  [5_100, 7_000],
] as const)
  test(`silences of ${first} and ${second} ms within a lease are a gap: what came between may have reached nobody else`, () => {
    const hear = openJudge();
    assert.ok(hearOften(hear, 0, 20_000));
    assert.equal(hear(20_000 + first), true, "the first");
    const brokenMs = 20_000 + first + second;
    assert.equal(hear(brokenMs), false, "the second");
    assert.equal(hearOften(hear, brokenMs, brokenMs + 14_999), false);
    assert.equal(hear(brokenMs + 15_000), true);
  });

test("silences more than a lease apart, or shorter together than renewals can be, are none", () => {
  const hear = openJudge();
  hearOften(hear, 0, 20_000);
  let silentUntilMs = 0;
  for (const ms of [4_900, 4_900, 2_500, 2_500, 2_500, 2_500, 7_000]) {
    silentUntilMs += ms;
    assert.equal(hear(20_000 + silentUntilMs), true);
  }
});

test("a server says its clock to the microsecond and when it began", async () => {
  const [first, second] = [await askServer(db), await askServer(db)];
  assert.ok(first.at <= second.at);
  assert.match(first.exactAt, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?\+00$/);
  assert.deepEqual(first.serverStartedAt, second.serverStartedAt);
  assert.ok(first.serverStartedAt < first.at);
});
