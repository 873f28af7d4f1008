/** Which isolates stay warm, by stubs of them. */
import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { GuestIsolate } from "./guest-isolate.ts";
import { IsolatePool } from "./isolate-pool.ts";

const MEGABYTE = 1_048_576;

interface Stub {
  memoryMb: number;
  idleSince: number;
  loadMs: number;
  bytes: number;
  gone: boolean;
}

function openPool({
  maxWarmBytes = 100 * MEGABYTE,
  maxIdleMs = 1_000,
  rssBytes = (): number => 0,
  isolateBytes = MEGABYTE,
  spares = 0,
} = {}) {
  let made = 0;
  const make = (memoryMb: number) => {
    made++;
    const stub = { memoryMb, idleSince: 0, loadMs: 3, gone: false, bytes: isolateBytes };
    return Object.assign(stub, {
      heldBytes: () => stub.bytes,
      evict() {
        stub.gone = true;
      },
    }) as Stub & GuestIsolate;
  };
  const pool = new IsolatePool(
    { maxWarmBytes, maxIdleMs, spares },
    make as unknown as (memoryMb: number) => GuestIsolate,
    rssBytes,
  );
  let now = 0;
  const take = (revisionId: string, memoryMb = 64, reuse = true) => {
    now += 10;
    return pool.take(revisionId, memoryMb, reuse, now);
  };
  const give = (isolate: GuestIsolate) => {
    isolate.idleSince = now;
    pool.give(isolate, now);
  };
  /** A call from its beginning to its end; answers whether it was warm. */
  const call = (revisionId: string) => {
    const { isolate, isWarm } = take(revisionId);
    give(isolate);
    return isWarm;
  };
  return { pool, take, give, call, now: () => now, made: () => made };
}

describe("spares", () => {
  const openWithSpare = (t: TestContext) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const opened = openPool({ spares: 1 });
    opened.pool.prepareSpares(64);
    assert.equal(opened.made(), 1, "at once, before anybody asks");
    return { ...opened, pass: (ms: number) => t.mock.timers.tick(ms) };
  };

  test("are made while nothing is at work", (t) => {
    const { take, give, made, pass } = openWithSpare(t);
    const { isolate } = take("a");
    pass(10);
    assert.equal(made(), 1, "the run that took it goes on undisturbed");
    give(isolate);
    pass(9);
    assert.equal(made(), 1);
    pass(1);
    assert.equal(made(), 2);
    pass(1_000);
    assert.equal(made(), 2, "as many as there are to be");
  });

  test("do not wait for ever where something is at work all the time", (t) => {
    const { take, made, pass } = openWithSpare(t);
    take("a");
    pass(10);
    pass(10);
    assert.equal(made(), 1);
    pass(10);
    assert.equal(made(), 2);
  });

  test("of another memory size are ended when one of a new size is asked for", (t) => {
    const { take, made, pass } = openWithSpare(t);
    assert.equal(take("a", 128).isolate.memoryMb, 128);
    assert.equal(made(), 2);
    for (let look = 0; look < 3; look++) pass(10);
    assert.equal(take("b", 128).isolate.memoryMb, 128);
    assert.equal(made(), 3, "the spare");
  });
});

describe("a revision's isolates", () => {
  test("serve it again, the latest first, and nobody else", () => {
    const { take, give } = openPool();
    const [first, second] = [take("a").isolate, take("a").isolate];
    assert.notEqual(first, second);
    give(first);
    give(second);
    assert.equal(take("b").isWarm, false);
    assert.equal(take("a", 128).isWarm, false, "another memory size");
    assert.equal(take("a", 64, false).isWarm, false, "one that nobody used was asked for");
    assert.equal(take("a").isolate, second);
    assert.equal(take("a").isolate, first);
    assert.equal(take("a").isWarm, false);
  });

  test("that died at work are counted no longer", () => {
    const { pool, take, give } = openPool();
    give(take("a").isolate);
    const { isolate } = take("a");
    assert.deepEqual([pool.warmCount, pool.warmBytes], [1, MEGABYTE]);
    isolate.evict();
    pool.forget(isolate);
    assert.deepEqual([pool.warmCount, pool.warmBytes], [0, 0]);
  });

  test("that died while they were idle are not handed out", () => {
    const { pool, take, give } = openPool();
    const { isolate } = take("a");
    give(isolate);
    (isolate as GuestIsolate & { gone: boolean }).gone = true;
    assert.equal(take("a").isWarm, false);
    assert.equal(pool.warmCount, 1);
  });

  test("go after a while unused", () => {
    const { pool, take, give, now } = openPool();
    const { isolate } = take("b");
    give(isolate);
    pool.sweep(now() + 1_000);
    assert.equal(isolate.gone, false);
    pool.sweep(now() + 1_001);
    assert.equal(isolate.gone, true);
    assert.deepEqual([pool.warmCount, pool.warmBytes], [0, 0]);
    assert.deepEqual(pool.evictions, { memory: 0, idle: 1 });
  });

  test("of those at rest all but the latest go after a minute", () => {
    const { pool, take, give, call, now } = openPool({ maxIdleMs: 300_000 });
    const [first, second, latest] = [take("a"), take("a"), take("a")].map(({ isolate }) => isolate);
    const other = take("b").isolate;
    for (const isolate of [other, first!, second!, latest!]) give(isolate);
    const gone = () => [other, first, second, latest].map((isolate) => isolate!.gone);
    pool.sweep(now() + 60_000);
    assert.deepEqual(gone(), [false, false, false, false]);
    pool.sweep(now() + 60_001);
    assert.deepEqual(gone(), [false, true, true, false]);
    assert.deepEqual([pool.warmCount, pool.evictions.idle], [2, 2]);
    pool.sweep(now() + 300_000);
    assert.deepEqual(
      gone(),
      [false, true, true, false],
      "the one that a next run takes stays as long as any",
    );
    assert.equal(call("a"), true);
  });

  test("stay for longer where all may: the surplus for a fifth of that", () => {
    const { pool, take, give, now } = openPool({ maxIdleMs: 600_000 });
    const [first, latest] = [take("a"), take("a")].map(({ isolate }) => isolate);
    for (const isolate of [first!, latest!]) give(isolate);
    pool.sweep(now() + 120_000);
    assert.deepEqual([first!.gone, latest!.gone], [false, false]);
    pool.sweep(now() + 120_001);
    assert.deepEqual([first!.gone, latest!.gone], [true, false]);
  });

  test("without reuse are ended once they come to rest", () => {
    const { pool, take, give } = openPool();
    const { isolate } = take("a", 64, false);
    assert.equal(pool.warmCount, 0);
    give(isolate);
    assert.equal(isolate.gone, true);
  });
});

describe("the memory that they may hold", () => {
  const ROOM = 32;
  const small = { maxWarmBytes: ROOM * MEGABYTE };

  test("says how many stay, by what each really holds", () => {
    const { pool, call } = openPool(small);
    for (let n = 0; n < 100; n++) call(`r${n}`);
    assert.ok(pool.warmCount >= ROOM - 3 && pool.warmCount <= ROOM, `${pool.warmCount} stand`);
    const large = openPool({ ...small, isolateBytes: 8 * MEGABYTE });
    for (let n = 0; n < 100; n++) large.call(`r${n}`);
    assert.equal(large.pool.warmCount, 4);
    assert.ok(large.pool.warmBytes <= 32 * MEGABYTE);
  });

  test("a round of more functions than there is room for keeps most of them", () => {
    for (const functions of [ROOM + 1, 2 * ROOM, 3 * ROOM]) {
      const { call } = openPool(small);
      const round = () => Array.from({ length: functions }, (_, n) => call(`r${n}`)).filter(Boolean).length;
      round();
      let warm = 0;
      for (let n = 0; n < 20; n++) warm += round();
      // All but those that are on trial.
      assert.ok(warm / 20 >= ROOM - 2, `${warm / 20} of ${functions} are warm in a round`);
    }
  });

  test("many functions called once take nothing from one that is called often", () => {
    const { call } = openPool(small);
    for (let n = 0; n < 5; n++) for (let often = 0; often < 20; often++) call(`often ${often}`);
    for (let n = 0; n < 1_000; n++) call(`once ${n}`);
    const warm = Array.from({ length: 20 }, (_, often) => call(`often ${often}`));
    assert.deepEqual(warm, Array(20).fill(true));
  });

  test("a function that is called often from now on is warm soon, whoever was there before", () => {
    const { call } = openPool(small);
    for (let n = 0; n < 50; n++) for (let known = 0; known < ROOM; known++) call(`known ${known}`);
    const warm = Array.from({ length: 10 }, () => call("new"));
    assert.deepEqual(warm, [false, ...Array(9).fill(true)]);
  });

  test("is given back at once where there comes to be less of it", () => {
    const { pool, call, now } = openPool(small);
    for (let n = 0; n < 20; n++) call(`r${n}`);
    pool.setMaxWarmBytes(5 * MEGABYTE, now());
    assert.equal(pool.warmCount, 5);
    pool.setMaxWarmBytes(0, now());
    assert.equal(pool.warmCount, 0);
  });

  test("is measured by the process too: where that holds more than is known of, some go", () => {
    let rssBytes = 50 * MEGABYTE;
    const { pool, call, now } = openPool({ ...small, rssBytes: () => rssBytes });
    for (let n = 0; n < 20; n++) call(`r${n}`);
    rssBytes += (32 + 64) * MEGABYTE;
    pool.sweep(now());
    assert.equal(pool.warmCount, 20);
    rssBytes += 5 * MEGABYTE;
    pool.sweep(now());
    assert.equal(pool.warmCount, 15);
  });

  test("is not what runs hold: one with a large heap empties nothing", () => {
    let rssBytes = 50 * MEGABYTE;
    const { pool, take, give, call, now } = openPool({ ...small, rssBytes: () => rssBytes });
    for (let n = 0; n < 20; n++) call(`r${n}`);
    const kept = take("large", 512).isolate;
    const ownOnly = take("own", 256, false).isolate;
    rssBytes += (32 + 64 + 512 + 256) * MEGABYTE;
    pool.sweep(now());
    assert.deepEqual(pool.evictions, { memory: 0, idle: 0 });
    // Both are through, and the process has not given back what they held.
    rssBytes -= (512 + 256 - 5) * MEGABYTE;
    give(kept);
    give(ownOnly);
    pool.sweep(now());
    assert.equal(pool.evictions.memory, 5);
    // Nor does one that died at work count any more.
    const died = take("died", 512).isolate;
    pool.forget(died);
    pool.sweep(now());
    assert.equal(pool.evictions.memory, 10);
  });
});
