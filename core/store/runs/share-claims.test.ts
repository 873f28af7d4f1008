/** Claims where more is due than they may take: shares of namespaces, priorities, and claims that meet. */
import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { createTestDatabase } from "../../../test/support/database.ts";
import { drawSeed } from "../../../test/support/properties.ts";
import { createRandom } from "../../../test/support/random.ts";
import type { Store } from "../database.ts";
import { deployFunction, makeWorker, queueInvocation, queueRun } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { claimDueRuns } from "./claim.ts";
import type { ClaimedRun } from "./claimed-run.ts";
import { NAMESPACES_A_CLAIM } from "./share-claims.ts";

const { store, db, newNamespace, clear } = await openTestStore(createTestDatabase);
beforeEach(clear);

interface Given {
  priority?: number;
  /** How long they have been due; below 0: in how long they will be. */
  dueForMs?: number;
}

/** The ids of so many calls that are queued, the first one due first. */
async function queueMany(
  namespaceId: string,
  count: number,
  { priority = 50, dueForMs = 60_000 }: Given = {},
): Promise<string[]> {
  const { rows } = await store.pool.query<{ id: string }>(
    `INSERT INTO task_runs_open (id, namespace_id, task_id, type, trigger, state, priority, scheduled_for, available_at, queued_at)
     SELECT gen_random_uuid(), $1, gen_random_uuid(), 'http', 'schedule', 'queued', $3, at, at, now()
     FROM (SELECT now() - $4::int * interval '1 millisecond' + n * interval '1 microsecond' AS at
       FROM generate_series(1, $2::int) AS n) AS runs
     RETURNING id`,
    [namespaceId, count, priority, dueForMs],
  );
  return rows.map(({ id }) => id);
}

/** A store of its own remembers nothing of what others claimed. */
const forgetful = (): Store => ({ ...store, pool: Object.create(store.pool) });

const countOf = (runs: ClaimedRun[], namespaceId: string) =>
  runs.filter((run) => run.namespaceId === namespaceId).length;
const idsOf = (runs: ClaimedRun[]) => runs.map(({ id }) => id);

describe("namespaces", () => {
  test("a few runs beside a hundred thousand are taken by the first claim", async () => {
    const [crowd, few] = [await newNamespace(), await newNamespace()];
    await queueMany(crowd, 100_000, { dueForMs: 3_600_000 });
    const mine = await queueMany(few, 10, { dueForMs: 0 });
    const workerId = await makeWorker(db);
    const { runs, found } = await claimDueRuns(forgetful(), workerId, 34, 0);
    assert.deepEqual([runs.length, found], [34, 34], "what the few leave of their share goes to the crowd");
    assert.deepEqual(
      idsOf(runs)
        .filter((id) => mine.includes(id))
        .sort(),
      mine.toSorted(),
    );
  });

  test("take turns where a claim has one slot to fill", async () => {
    const claims = forgetful();
    const namespaces = [await newNamespace(), await newNamespace(), await newNamespace()];
    for (const namespaceId of namespaces) await queueMany(namespaceId, 4);
    const workerId = await makeWorker(db);
    for (let round = 0; round < 3; round += 1) {
      const taken = [];
      for (const _ of namespaces)
        taken.push((await claimDueRuns(claims, workerId, 1, 0)).runs[0]!.namespaceId);
      assert.deepEqual(taken.toSorted(), namespaces.toSorted());
    }
  });

  test("more of them than one claim takes from come one after another", async () => {
    const claims = forgetful();
    const namespaces = await Promise.all(
      Array.from({ length: NAMESPACES_A_CLAIM * 2 + 5 }, async () => await newNamespace()),
    );
    await queueMany(namespaces[0]!, 1_000, { dueForMs: 3_600_000 });
    for (const namespaceId of namespaces.slice(1)) await queueMany(namespaceId, 2);
    const workerId = await makeWorker(db);
    const taken: ClaimedRun[] = [];
    for (let claim = 0; claim < 4; claim += 1)
      taken.push(...(await claimDueRuns(claims, workerId, 70, 0)).runs);
    assert.equal(taken.length, 280);
    for (const namespaceId of namespaces.slice(1)) assert.equal(countOf(taken, namespaceId), 2);
  });

  test("a claim takes from so many of them at most, wherever it begins", async () => {
    const namespaces = await Promise.all(
      Array.from({ length: NAMESPACES_A_CLAIM + 8 }, async () => await newNamespace()),
    );
    for (const namespaceId of namespaces) await queueMany(namespaceId, 8);
    const claims = forgetful();
    const workerId = await makeWorker(db);
    const limit = 2 * (NAMESPACES_A_CLAIM + 1);
    for (let claim = 0; claim < 3; claim += 1) {
      const { runs } = await claimDueRuns(claims, workerId, limit, 0);
      assert.equal(runs.length, limit);
      assert.ok(new Set(runs.map(({ namespaceId }) => namespaceId)).size <= NAMESPACES_A_CLAIM);
    }
  });

  test("those whose runs are early take no share from others", async () => {
    const [crowd, early] = [await newNamespace(), await newNamespace()];
    await queueMany(crowd, 20);
    await queueMany(early, 20, { dueForMs: -60_000 });
    const { runs, found } = await claimDueRuns(forgetful(), await makeWorker(db), 10, 0);
    assert.deepEqual([countOf(runs, crowd), countOf(runs, early), found], [10, 0, 10]);
  });

  test("one whose runs wait for a limit leaves its share to the others", async () => {
    const [limited, other] = [await newNamespace(), await newNamespace()];
    await deployFunction(db, limited, "one-by-one", { concurrency: 1 });
    for (let index = 0; index < 8; index += 1) await queueInvocation(store, limited, "one-by-one");
    await queueMany(other, 8);
    const claims = forgetful();
    const workerId = await makeWorker(db);
    const runs: ClaimedRun[] = [];
    for (let found = 10; found === 10; ) {
      const claim = await claimDueRuns(claims, workerId, 10, 0);
      runs.push(...claim.runs);
      found = claim.found;
    }
    assert.deepEqual([countOf(runs, limited), countOf(runs, other)], [1, 8]);
  });
});

test("within a namespace the highest priority comes first, then the oldest, from the first claim on", async () => {
  const namespaceId = await newNamespace();
  const [low, old, young, high] = [
    await queueMany(namespaceId, 2, { priority: 0, dueForMs: 90_000 }),
    await queueMany(namespaceId, 2, { dueForMs: 80_000 }),
    await queueMany(namespaceId, 2, { dueForMs: 70_000 }),
    await queueMany(namespaceId, 2, { priority: 100, dueForMs: 1_000 }),
  ];
  const claims = forgetful();
  const workerId = await makeWorker(db);
  const taken: string[] = [];
  for (let claim = 0; claim < 8; claim += 1)
    taken.push(...idsOf((await claimDueRuns(claims, workerId, 1, 0)).runs));
  assert.deepEqual(taken, [...high, ...old, ...young, ...low]);
});

test("a run that was queued with a priority is claimed by it", async () => {
  const namespaceId = await newNamespace();
  await queueRun(store, namespaceId);
  const urgent = await queueRun(store, namespaceId, { priority: 51 });
  assert.deepEqual(idsOf((await claimDueRuns(forgetful(), await makeWorker(db), 1, 0)).runs), [urgent]);
});

test("claims that meet take each run that is due once, and miss none, whatever is queued", async () => {
  const seed = drawSeed();
  const random = createRandom(seed);
  for (let round = 0; round < 12; round += 1) {
    await clear();
    const due: string[] = [];
    for (let left = random.whole(1, NAMESPACES_A_CLAIM + 8); left > 0; left -= 1) {
      const namespaceId = await newNamespace();
      for (let kinds = random.whole(1, 3); kinds > 0; kinds -= 1) {
        const dueForMs = random.pick([-60_000, 0, 1_000, 60_000]);
        const ids = await queueMany(namespaceId, random.whole(1, random.pick([3, 60])), {
          ...{ priority: random.whole(0, 100), dueForMs: dueForMs === 0 ? 1 : dueForMs },
        });
        if (dueForMs >= 0) due.push(...ids);
      }
    }
    const claimers = Array.from({ length: random.whole(1, 4) }, async () => {
      const [claims, workerId] = [forgetful(), await makeWorker(db)];
      const taken: string[] = [];
      for (;;) {
        const limit = random.whole(1, 40);
        const { runs, found } = await claimDueRuns(claims, workerId, limit, 0);
        assert.ok(runs.length <= limit);
        taken.push(...idsOf(runs));
        if (found < limit) return taken;
      }
    });
    const taken = (await Promise.all(claimers)).flat();
    // Of claimers that meet the last one may have seen what another had locked, and gave up for it.
    const rest = await claimDueRuns(forgetful(), await makeWorker(db), due.length + 1, 0);
    assert.equal(rest.runs.length, 0, `seed ${seed}, round ${round}`);
    assert.deepEqual(taken.toSorted(), due.toSorted(), `seed ${seed}, round ${round}`);
  }
});
