import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createTestDatabase } from "../../test/support/database.ts";
import { systemClock } from "../clock.ts";
import { openStore } from "./database.ts";
import { newId } from "./ids.ts";
import { type Bell, openListener } from "./listen.ts";
import { type Channel, createNotifier } from "./notify.ts";
import { openTestStore, until } from "./testing/test-store.ts";

const { store, url } = await openTestStore(createTestDatabase);
const PROBE = "probe";
const failOnError = (error: unknown) => assert.fail(String(error));

/** Hears a channel, from now on; `whenHeard` resolves once so many ids came. */
async function listen(t: TestContext, channel: Channel) {
  const listener = await openListener(url, systemClock, failOnError);
  t.after(() => listener.close());
  const bells: Bell[] = [];
  let listening = false;
  listener.on(channel, (bell) => {
    if (bell.ids[0] === PROBE) listening = true;
    else bells.push(bell);
  });
  await until(async () => {
    await store.pool.query("SELECT pg_notify($1, $2)", [channel, PROBE]);
    return listening || undefined;
  });
  const ids = () => bells.flatMap((bell) => bell.ids);
  return {
    bells,
    whenHeard: (count: number) => until(async () => (ids().length >= count ? ids() : undefined)),
  };
}

test("all ids arrive, in few bells, however they were rung", async (t) => {
  const { bells, whenHeard } = await listen(t, "bellhop_cancel");
  const notifier = createNotifier(store, systemClock, failOnError);
  const ids = Array.from({ length: 450 }, newId);
  for (const id of ids) notifier.notify("bellhop_cancel", [id]);
  await notifier.flush();
  const heard = await whenHeard(ids.length);
  assert.deepEqual([...heard].sort(), ids.sort());
  assert.ok(bells.length <= 4, `${bells.length} bells: a payload holds 200, and one may ring ahead`);
  assert.ok(bells.every(({ resync }) => !resync));
});

test("an id asked for twice in a burst is sent once; a bell without ids is a bell", async (t) => {
  const cancels = await listen(t, "bellhop_cancel");
  const schedules = await listen(t, "bellhop_schedule");
  const notifier = createNotifier(store, systemClock, failOnError);
  const id = newId();
  // The first rings at once, the others wait behind it together.
  notifier.notify("bellhop_cancel", [newId()]);
  for (let ring = 0; ring < 3; ring += 1) notifier.notify("bellhop_cancel", [id]);
  notifier.notify("bellhop_schedule");
  await notifier.flush();
  assert.deepEqual(
    (await cancels.whenHeard(2)).filter((heard) => heard === id),
    [id],
  );
  await until(async () => (schedules.bells.length > 0 ? true : undefined));
  assert.deepEqual(schedules.bells, [{ ids: [], resync: false }]);
});

test("what is rung the moment a burst ends is sent as well", async () => {
  const sent: unknown[] = [];
  const pool = Object.create(store.pool, {
    query: {
      value: async ({ values }: { values: unknown[] }) => {
        sent.push(values[1]);
      },
    },
  });
  let rest = Promise.withResolvers<void>();
  const clock = {
    ...systemClock,
    sleep: () => {
      rest = Promise.withResolvers<void>();
      return rest.promise;
    },
  };
  const notifier = createNotifier({ ...store, pool }, clock, failOnError);
  notifier.notify("bellhop_runs", ["first"]);
  await until(async () => (sent.length === 1 ? true : undefined));
  // In the very turn in which the burst finds nothing more to send.
  const after = rest.promise.then(() => notifier.notify("bellhop_runs", ["second"]));
  rest.resolve();
  await after;
  await until(async () => (sent.length === 2 ? true : undefined));
  assert.deepEqual(sent, ["first", "second"]);
});

test("a bell that cannot be sent is reported, never thrown, and the next one is tried", async () => {
  const broken = openStore({
    databaseUrl: "postgres://nobody@127.0.0.1:1/none",
    applicationName: "bellhop-test",
    maxConnections: 1,
    onError: () => {},
  });
  const errors: unknown[] = [];
  const notifier = createNotifier(broken, systemClock, (error) => errors.push(error));
  notifier.notify("bellhop_runs");
  await notifier.flush();
  assert.equal(errors.length, 1);
  notifier.notify("bellhop_runs");
  await notifier.flush();
  assert.equal(errors.length, 2);
  await broken.close();
});

test("a bell for all is not narrowed by ids that are rung beside it", async (t) => {
  const { bells } = await listen(t, "bellhop_functions");
  const notifier = createNotifier(store, systemClock, failOnError);
  // The first rings at once, the others wait behind it together.
  notifier.notify("bellhop_functions", [newId()]);
  notifier.notify("bellhop_functions");
  notifier.notify("bellhop_functions", [newId()]);
  await notifier.flush();
  await until(async () => bells[1]);
  assert.deepEqual(
    bells.map(({ ids }) => ids.length),
    [1, 0],
  );
});

test("ids that are only hints are rung beside a bell for all", async (t) => {
  const { whenHeard } = await listen(t, "bellhop_demand");
  const notifier = createNotifier(store, systemClock, failOnError);
  const id = newId();
  // The first rings at once, the others wait behind it together.
  notifier.notify("bellhop_demand");
  notifier.notify("bellhop_demand", [id]);
  notifier.notify("bellhop_demand");
  await notifier.flush();
  assert.deepEqual(await whenHeard(1), [id]);
});
