/** How many streams a namespace has open, over all APIs, and what a limit of them means. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { NO_NAMESPACE_LIMITS } from "../../core/domain/namespace-limits.ts";
import { countOpenStreams } from "../../core/store/open-streams.ts";
import { openTestStore, until } from "../../core/store/testing/test-store.ts";
import { createTestDatabase } from "../../test/support/database.ts";
import { createManualClock } from "../../test/support/manual-clock.ts";
import {
  createOpenStreams,
  type OpenStreams,
  RENEW_STREAMS_EVERY_MS,
  STREAM_LEASE_MS,
  type StreamOwner,
} from "./open-streams.ts";

const { store, newNamespace } = await openTestStore(createTestDatabase);

/** What an API has of it, with a clock of its own. */
function openApi(t: TestContext) {
  const clock = createManualClock();
  const streams = createOpenStreams({ store, clock, onError: (error) => assert.fail(String(error)) });
  t.after(() => streams.close());
  return { clock, streams };
}

async function newOwner(followers: number | null, scopes = ["read"]): Promise<StreamOwner> {
  const namespaceId = await newNamespace();
  const limits = followers === null ? null : { ...NO_NAMESPACE_LIMITS, followers };
  return { keyId: "key", namespaceId, scopes, limits };
}

const count = (owner: StreamOwner) => countOpenStreams(store, owner.namespaceId);

async function refuses(streams: OpenStreams, owner: StreamOwner): Promise<void> {
  const message = `the namespace may have ${owner.limits!.followers} streams open at once: close one, or ask an operator for more`;
  await assert.rejects(streams.open(owner), {
    ...{ code: "too_many_followers", status: 429, retryAfterSeconds: 10 },
    fields: [{ field: "followers", message }],
  });
}

/** As if no API had renewed them for as long as a lease. */
async function letLeasesEnd(owner: StreamOwner, agoMs = 1): Promise<void> {
  await store.pool.query(
    `UPDATE open_streams SET counted_until = clock_timestamp() - $2::int * interval '1 millisecond' WHERE namespace_id = $1`,
    [owner.namespaceId, agoMs],
  );
}

test("as many are open at once as may be, over two APIs, also where they open at the same moment", async (t) => {
  const [one, other] = [openApi(t).streams, openApi(t).streams];
  const owner = await newOwner(5);
  const opened = await Promise.allSettled(
    Array.from({ length: 20 }, (_, number) => (number % 2 === 0 ? one : other).open(owner)),
  );
  const leaves = opened.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  assert.equal(leaves.length, 5);
  assert.equal(await count(owner), 5);
  for (const streams of [one, other]) await refuses(streams, owner);
  leaves[0]!();
  leaves[0]!();
  await Promise.all([one.close(), other.close()]);
  assert.equal(await count(owner), 4);
  await other.open(owner);
  await refuses(one, owner);
});

test("nobody else's streams count, and a limit of none lets none open", async (t) => {
  const { streams } = openApi(t);
  const [owner, other, none] = [await newOwner(1), await newOwner(1), await newOwner(0)];
  await streams.open(owner);
  await streams.open(other);
  await refuses(streams, none);
});

test("operators are neither held to it nor counted", async (t) => {
  const { streams } = openApi(t);
  const owner = await newOwner(0, ["operator"]);
  (await streams.open(owner))();
  await streams.close();
  assert.equal(await count(owner), 0);
});

test("streams of a namespace without a limit are written with a renewal, and count once it has one", async (t) => {
  const { streams, clock } = openApi(t);
  const owner = await newOwner(null);
  const leaves = [await streams.open(owner), await streams.open(owner)];
  assert.equal(await count(owner), 0);
  await clock.advance(RENEW_STREAMS_EVERY_MS);
  await until(async () => (await count(owner)) === 2 || undefined);
  const limited = { ...owner, limits: { ...NO_NAMESPACE_LIMITS, followers: 2 } };
  await refuses(streams, limited);
  for (const leave of leaves) leave();
  await streams.close();
  assert.equal(await count(owner), 0);
  await streams.open(limited);
});

test("streams of an API that crashed stop counting when their leases are over, and are removed by another", async (t) => {
  const [crashed, other] = [openApi(t), openApi(t)];
  const owner = await newOwner(1);
  await crashed.streams.open(owner);
  await refuses(other.streams, owner);
  await letLeasesEnd(owner, 120_000);
  await other.streams.open(owner);
  await other.clock.advance(RENEW_STREAMS_EVERY_MS);
  await until(async () => (await countRows(owner)) === 1 || undefined);
});

const countRows = async ({ namespaceId }: StreamOwner) =>
  (await store.pool.query("SELECT FROM open_streams WHERE namespace_id = $1", [namespaceId])).rowCount;

test("an open stream is renewed again and again, also after its lease was over; one that has closed never", async (t) => {
  const { streams, clock } = openApi(t);
  const owner = await newOwner(2);
  const leave = await streams.open(owner);
  for (let time = 0; time < 3; time += 1) {
    await letLeasesEnd(owner);
    await clock.advance(RENEW_STREAMS_EVERY_MS);
    await until(async () => (await count(owner)) === 1 || undefined);
  }
  assert.ok(RENEW_STREAMS_EVERY_MS * 2 < STREAM_LEASE_MS, "one renewal may fail");
  leave();
  await streams.close();
  assert.equal(clock.sleepers, 0);
  assert.equal(await countRows(owner), 0);
});

test("what closes while a renewal is under way is taken out after it", async (t) => {
  const { streams, clock } = openApi(t);
  const owner = await newOwner(2);
  const leaves = [await streams.open(owner), await streams.open(owner)];
  const held = await store.pool.connect();
  try {
    await held.query("BEGIN");
    await held.query("SELECT FROM open_streams WHERE namespace_id = $1 FOR UPDATE", [owner.namespaceId]);
    await clock.advance(RENEW_STREAMS_EVERY_MS);
    for (const leave of leaves) leave();
  } finally {
    await held.query("COMMIT");
    held.release();
  }
  await streams.close();
  assert.equal(await countRows(owner), 0);
});

test("a renewal leaves a namespace that is gone alone, and what fails is tried again", async (t) => {
  const clock = createManualClock();
  const errors: unknown[] = [];
  let isAway = false;
  const pool = {
    query: (...asked: unknown[]) =>
      isAway ? Promise.reject(new Error("away")) : Reflect.apply(store.pool.query, store.pool, asked),
    connect: () => store.pool.connect(),
  } as unknown as typeof store.pool;
  const streams = createOpenStreams({ store: { pool }, clock, onError: (error) => errors.push(error) });
  t.after(() => streams.close());
  const owner = await newOwner(3);
  await streams.open({ ...owner, namespaceId: "00000000-0000-7000-8000-000000000000", limits: null });
  await streams.open(owner);
  await letLeasesEnd(owner);
  isAway = true;
  await clock.advance(RENEW_STREAMS_EVERY_MS);
  await until(async () => errors.length === 1 || undefined);
  isAway = false;
  await clock.advance(RENEW_STREAMS_EVERY_MS);
  await until(async () => (await count(owner)) === 1 || undefined);
  const { rowCount } = await store.pool.query(
    "SELECT FROM open_streams WHERE namespace_id = '00000000-0000-7000-8000-000000000000'",
  );
  assert.equal(rowCount, 0);
});
