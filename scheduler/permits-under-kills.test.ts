/**
 * A process is killed before each statement that it sends in the life of a permit, and after the last. Right after it the
 * limits hold and the counts are true; once its worker is rescued and the scheduler has been round, all that waits has
 * run, no permit is out and no row is left.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { sql } from "kysely";
import type { QueuePlace } from "../core/domain/limit-keys.ts";
import { NO_LIMITS, type QueueLimits } from "../core/domain/queue.ts";
import { openStore } from "../core/store/database.ts";
import { openTestStore } from "../core/store/testing/test-store.ts";
import { createClockedDatabase } from "../test/support/clocked-database.ts";
import { JudgedRuns } from "../test/support/judged-runs.ts";
import { LimitedRuns, type Outcome } from "../test/support/limited-runs.ts";
import { createMortalStore } from "../test/support/mortal-store.ts";

const MINUTE_MS = 60_000;

const testStore = await openTestStore(createClockedDatabase);
const { store, db, url } = testStore;
/** Of the process that is killed. */
const other = openStore({
  databaseUrl: url,
  applicationName: "bellhop-test",
  maxConnections: 4,
  onError: () => {},
});
after(() => other.close());

interface Story {
  /** What stands before. */
  prepare(judged: JudgedRuns): Promise<void>;
  /** What the process does before it may be killed. */
  warmUp?(judged: JudgedRuns): Promise<void>;
  /** What the process does. */
  act(judged: JudgedRuns): Promise<void>;
  /** It was asked for by somebody, who asks again. */
  isAskedAgain?: true;
  /** What its death leaves is made true by the next count of permits. */
  isRecounted?: true;
}

const limits = (given: Partial<QueueLimits>): QueueLimits => ({ ...NO_LIMITS, ...given });
const perKey = (concurrency: number) => ({ perKey: { concurrency, rate: null } });

const inQueue = (queue: string, concurrencyKey: string | null = null): QueuePlace => ({
  ...{ queue, concurrencyKey, rateKey: null, priority: 50 },
});

async function arrive(
  { runs }: JudgedRuns,
  count: number,
  concurrencyKey: string | null = null,
): Promise<void> {
  for (let made = 0; made < count; made += 1) await runs.queueTask(inQueue("mail", concurrencyKey), 5_000);
}

const idsOf = ({ runs }: JudgedRuns) => runs.known.map(({ id }) => id);
const claimAll = (judged: JudgedRuns) => judged.claim(0, idsOf(judged));

/** Of a queue with these limits so many runs have come, and those that may run. */
const running = (given: Partial<QueueLimits>, count: number) => async (judged: JudgedRuns) => {
  await judged.put("mail", limits(given));
  await arrive(judged, count);
  await claimAll(judged);
};

/** One of them has ended, and the next has its permit. */
async function granted(judged: JudgedRuns): Promise<void> {
  await running({ concurrency: 1 }, 3)(judged);
  await judged.runs.end(0, 1, "succeeded", false);
}

const endsWith = (outcome: Outcome): Story => ({
  prepare: running({ concurrency: 2 }, 4),
  act: ({ runs }) => runs.end(0, 2, outcome, false),
});

const STORIES: Record<string, Story> = {
  "taken by the first claim that meets a limit": {
    async prepare(judged) {
      await judged.put("mail", limits({ concurrency: 2 }));
      await arrive(judged, 2);
    },
    act: claimAll,
  },
  "taken by a claim that expects limits": {
    async prepare(judged) {
      await judged.put("mail", limits({ concurrency: 3 }));
      await arrive(judged, 3);
    },
    warmUp: (judged) => judged.claim(0, idsOf(judged).slice(0, 1)),
    act: (judged) => judged.claimDue(1, 10),
  },
  "taken or waited for, one by one": {
    async prepare(judged) {
      await judged.put("mail", limits({ concurrency: 1 }));
      await arrive(judged, 3);
    },
    act: claimAll,
  },
  "taken of keys that nobody has seen": {
    async prepare(judged) {
      await judged.put("mail", limits({ concurrency: 3, ...perKey(1) }));
      for (const key of ["ada", "bob", null]) await arrive(judged, 2, key);
    },
    act: (judged) => judged.claimDue(0, 10),
  },
  "taken for a call that is handed to a worker": {
    async prepare(judged) {
      await judged.deploy("f", 1);
    },
    act: (judged) => judged.call(0, "f"),
  },
  "granted by the scheduler": {
    async prepare(judged) {
      await running({ concurrency: 2 }, 5)(judged);
      await judged.runs.end(0, 2, "succeeded", true);
    },
    act: ({ runs }) => runs.job("permits"),
  },
  "granted, and its run starts": {
    prepare: granted,
    act: (judged) => judged.claimDue(1, 10),
  },
  "granted, and its run is cancelled": {
    prepare: granted,
    act: (judged) => judged.runs.cancel(idsOf(judged)),
    isAskedAgain: true,
  },
  "called up by a rate": {
    async prepare(judged) {
      await running({ rate: { limit: 2, perMs: MINUTE_MS, burst: null } }, 5)(judged);
      await judged.runs.passTime(MINUTE_MS);
    },
    act: ({ runs }) => runs.job("rates"),
  },
  "called up, and its run starts": {
    async prepare(judged) {
      await running({ concurrency: 3, rate: { limit: 2, perMs: MINUTE_MS, burst: null } }, 5)(judged);
      await judged.runs.passTime(MINUTE_MS);
      await judged.runs.job("rates");
    },
    act: (judged) => judged.claimDue(1, 10),
  },
  "given back where few are left, and granted to the next": endsWith("succeeded"),
  "given back by a run that is tried again": endsWith({ retryAfterMs: MINUTE_MS }),
  "given back by a run that is dead": endsWith("dead"),
  "given back with its run": endsWith("given back"),
  "kept by a run that is completed later": endsWith({ completeAfterMs: MINUTE_MS }),
  "given back by a run that nobody completed": {
    async prepare(judged) {
      await running({ concurrency: 1 }, 3)(judged);
      await judged.runs.end(0, 1, { completeAfterMs: MINUTE_MS }, false);
      await judged.runs.passTime(2 * MINUTE_MS);
    },
    act: ({ runs }) => runs.job("overdue completions"),
  },
  "laid beside the count where plenty are left": {
    prepare: running({ concurrency: 200 }, 4),
    act: ({ runs }) => runs.end(0, 3, "succeeded", false),
  },
  "counted off by the scheduler": {
    async prepare(judged) {
      await running({ concurrency: 200 }, 4)(judged);
      await judged.runs.end(0, 3, "succeeded", false);
    },
    act: ({ runs }) => runs.job("permits"),
  },
  "waited for in another line": {
    async prepare(judged) {
      await judged.deploy("f", 1);
      await judged.put("mail", limits({ concurrency: 1 }));
      await arrive(judged, 1);
      for (const queue of ["mail", "default"]) await judged.runs.queueCall("f", inQueue(queue), 5_000);
      const [task, both, call] = idsOf(judged) as [string, string, string];
      await judged.claim(0, [task]);
      await judged.claim(1, [call]);
      await judged.claim(1, [both]);
      await judged.runs.end(1, 1, "succeeded", true);
    },
    act: ({ runs }) => runs.job("permits"),
  },
  "left behind by a run whose task goes to another queue": {
    async prepare(judged) {
      await judged.put("reports", limits({ concurrency: 1 }));
      await granted(judged);
    },
    // The one that was granted.
    act: ({ runs }) => runs.move(runs.known[1]!.taskId!, inQueue("reports")),
    isAskedAgain: true,
  },
  "revoked by a pause": {
    prepare: granted,
    act: (judged) => judged.pause("mail", null),
    isAskedAgain: true,
  },
  "granted at a resume": {
    async prepare(judged) {
      await granted(judged);
      await judged.pause("mail", null);
    },
    act: (judged) => judged.resume("mail"),
    isAskedAgain: true,
  },
  "granted once a pause has passed": {
    async prepare(judged) {
      await granted(judged);
      await judged.pause("mail", MINUTE_MS);
      await judged.runs.passTime(MINUTE_MS);
    },
    act: ({ runs }) => runs.job("pauses"),
  },
  "revoked by a lower limit": {
    async prepare(judged) {
      await running({ concurrency: 3 }, 6)(judged);
      await judged.runs.end(0, 3, "succeeded", false);
    },
    act: (judged) => judged.put("mail", limits({ concurrency: 1 })),
    isAskedAgain: true,
  },
  "granted by a higher limit": {
    prepare: running({ concurrency: 1 }, 4),
    act: (judged) => judged.put("mail", limits({ concurrency: 3 })),
    isAskedAgain: true,
  },
  "counted for runs under way when their limits come": {
    prepare: running({}, 3),
    act: (judged) => judged.put("mail", limits({ concurrency: 2, ...perKey(1) })),
    ...{ isAskedAgain: true, isRecounted: true },
  },
  "given back by a run that began before its limit": {
    async prepare(judged) {
      await running({}, 2)(judged);
      await judged.put("mail", limits({ concurrency: 2 }));
    },
    act: ({ runs }) => runs.end(0, 2, "succeeded", false),
    isRecounted: true,
  },
  "let go when their limit goes": {
    prepare: running({ concurrency: 1, ...perKey(1) }, 3),
    act: (judged) => judged.put("mail", NO_LIMITS),
    isAskedAgain: true,
  },
  "counted off with a lost worker's runs": {
    async prepare(judged) {
      await running({ concurrency: 2 }, 4)(judged);
      await judged.runs.loseWorker(0, false);
    },
    act: ({ runs }) => runs.job("rescue"),
  },
  "counted anew": {
    async prepare(judged) {
      await running({ concurrency: 2 }, 4)(judged);
      await sql`UPDATE run_limits SET permits_held = permits_held - 1`.execute(db);
    },
    act: ({ runs }) => runs.job("permit counts"),
    isRecounted: true,
  },
  "forgotten with the rows of keys that nobody uses": {
    async prepare(judged) {
      await judged.put("mail", limits(perKey(1)));
      for (const key of ["ada", "bob"]) await arrive(judged, 1, key);
      await claimAll(judged);
      await judged.runs.end(0, 1, "succeeded", false);
    },
    act: ({ runs }) => runs.job("queue keys"),
  },
};

/** Whether the process was killed before it had done what it does. */
async function tell(story: Story, statements: number): Promise<boolean> {
  const runs = await LimitedRuns.open(testStore, [store], 2);
  const judged = new JudgedRuns(runs);
  await story.prepare(judged);
  const mortal = createMortalStore(other, store.pool);
  runs.useStore(mortal);
  await story.warmUp?.(judged);
  mortal.liveFor(statements);
  await judged.judged(async () => {
    await story.act(judged).catch((error) => {
      if (!mortal.isDead) throw error;
    });
    runs.useStore(store);
    if (!story.isRecounted) return;
    // Nobody else opens a new limit that its maker, who has crashed, may still be counting: it takes that long.
    await sql`UPDATE run_limits SET uncounted_until = uncounted_until - interval '10 seconds'`.execute(db);
    await runs.job("permit counts");
  });
  for (const worker of runs.workers.keys()) await runs.loseWorker(worker, false);
  if (mortal.isDead && story.isAskedAgain) await judged.judged(() => story.act(judged));
  await judged.settle();
  return mortal.isDead;
}

for (const [name, story] of Object.entries(STORIES))
  test(`a permit that is ${name}`, async () => {
    let statements = 0;
    while (await tell(story, statements)) statements += 1;
    assert.ok(statements > 0, "there was something to be killed in");
  });
