/**
 * Random stories of runs with limits on a real PostgreSQL, under a stubbed clock: arrivals, claims of several workers, ends
 * of every kind, lost workers, limits and pauses that change, tasks that go to other queues, and the scheduler's jobs, one
 * after the other or at once. After each step the limits hold and the counts are true; at its end nothing waits while
 * there is room for it, all that can run has run, and no permit and no row is left behind.
 */
import { after, test } from "node:test";
import fc, { type Arbitrary } from "fast-check";
import { DEFAULT_QUEUE } from "../core/domain/limit-keys.ts";
import type { QueueLimits } from "../core/domain/queue.ts";
import { openStore } from "../core/store/database.ts";
import { openTestStore } from "../core/store/testing/test-store.ts";
import { createClockedDatabase } from "../test/support/clocked-database.ts";
import { JudgedRuns } from "../test/support/judged-runs.ts";
import { LIMIT_JOBS, LimitedRuns, type Outcome } from "../test/support/limited-runs.ts";
import { isLimited } from "../test/support/limits-oracle.ts";
import { assertAsyncHolds } from "../test/support/properties.ts";

const SECOND_MS = 1_000;
const WORKERS = 3;
const QUEUES = ["mail", "reports", DEFAULT_QUEUE] as const;
const FUNCTIONS = ["f", "g"] as const;
const SHORT_MS = 1_000;

/** As JSON makes them. */
const record = <Of extends object>(of: { [Key in keyof Of]: Arbitrary<Of[Key]> }) =>
  fc.record(of, { noNullPrototype: true }) as Arbitrary<Of>;

const anyLeast = fc.integer({ min: 1, max: 3 });
const anyRate = record({
  limit: fc.integer({ min: 1, max: 2 }),
  perMs: fc.constantFrom(SECOND_MS, 60_000),
  burst: fc.option(fc.integer({ min: 1, max: 3 }), { freq: 1 }),
});
const anyLimits: Arbitrary<QueueLimits> = record({
  // Of the larger ones permits are laid beside the count.
  concurrency: fc.oneof(
    { weight: 3, arbitrary: anyLeast },
    { weight: 2, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constant(130) },
  ),
  rate: fc.option(anyRate, { freq: 1 }),
  perKey: fc.option(record({ concurrency: fc.option(anyLeast), rate: fc.option(anyRate, { freq: 1 }) })),
  restOn429: fc.constant(false),
});
const anyQueue = fc.constantFrom(...QUEUES);
const anyFunction = fc.constantFrom(...FUNCTIONS);
const anyKey = fc.option(fc.constantFrom("ada", "bob"), { freq: 2 });
const anyPlace = fc.record({
  ...{ queue: anyQueue, concurrencyKey: anyKey, rateKey: anyKey },
  priority: fc.constantFrom(0, 50, 50, 100),
});
const anyWorker = fc.nat(WORKERS - 1);
const anyOutcome: Arbitrary<Outcome> = fc.oneof(
  { weight: 4, arbitrary: fc.constant("succeeded" as const) },
  fc.constant("dead" as const),
  fc.constant("given back" as const),
  fc.record({ retryAfterMs: fc.constantFrom(0, SECOND_MS, 60_000) }),
  fc.record({ completeAfterMs: fc.constantFrom(SECOND_MS, 60_000) }),
);

const deed = <Is extends string, Of extends object>(is: Is, of: { [Key in keyof Of]: Arbitrary<Of[Key]> }) =>
  fc.record({ is: fc.constant(is), ...of }) as unknown as Arbitrary<{ is: Is } & Of>;

const anyArrival = deed("arrive", {
  place: anyPlace,
  calls: fc.option(anyFunction),
  count: fc.integer({ min: 1, max: 5 }),
  isShort: fc.boolean(),
});
const anyClaim = fc.oneof(
  // Of what has come so far, so many at most, from the first, the last, or every other one.
  deed("claim", {
    worker: anyWorker,
    count: fc.integer({ min: 1, max: 20 }),
    short: fc.boolean(),
    newest: fc.boolean(),
  }),
  deed("claim due", { worker: anyWorker, count: fc.integer({ min: 1, max: 20 }) }),
);
const anyEnd = deed("end", {
  ...{ worker: anyWorker, count: fc.integer({ min: 1, max: 6 }), outcome: anyOutcome, dies: fc.boolean() },
});
const anyJob = deed("job", { job: fc.constantFrom(...LIMIT_JOBS, "retries" as const) });
const anyChange = fc.oneof(
  deed("put", { queue: anyQueue, limits: anyLimits }),
  deed("pause", { queue: anyQueue, forMs: fc.option(fc.constantFrom(SECOND_MS, 60_000)) }),
  deed("resume", { queue: anyQueue }),
  deed("deploy", { name: anyFunction, concurrency: fc.option(anyLeast) }),
  deed("limit namespace", { concurrency: fc.option(anyLeast) }),
);
/** Of open runs; those that were granted permits and have not started are few. */
const anyStanding = fc.constantFrom("granted" as const, "open" as const);
const anyOther = fc.oneof(
  deed("call", { worker: anyWorker, name: anyFunction }),
  deed("lose", { worker: anyWorker, onlyStoodStill: fc.boolean() }),
  deed("cancel", { which: anyStanding, run: fc.nat(), count: fc.integer({ min: 1, max: 4 }) }),
  deed("move", { which: anyStanding, run: fc.nat(), place: anyPlace }),
  deed("redrive", {}),
  deed("expect", { worker: anyWorker, outlook: fc.constantFrom("far" as const, "near" as const) }),
  deed("remove", { queue: anyQueue }),
);
const anyDeed = fc.oneof(
  { weight: 5, arbitrary: anyArrival },
  { weight: 8, arbitrary: anyClaim },
  { weight: 6, arbitrary: anyEnd },
  { weight: 6, arbitrary: anyJob },
  { weight: 3, arbitrary: anyChange },
  { weight: 3, arbitrary: anyOther },
);
type Deed = typeof anyDeed extends Arbitrary<infer Value> ? Value : never;

const storyOf = (mostAtOnce: number) =>
  fc.record({
    queues: fc.record({ mail: anyLimits, reports: anyLimits }),
    functions: fc.record({ f: fc.option(anyLeast), g: fc.option(anyLeast) }),
    steps: fc.array(
      fc.record({
        afterMs: fc.oneof(
          { weight: 3, arbitrary: fc.constant(0) },
          fc.constantFrom(100, SECOND_MS, 20_000, 60_000),
        ),
        deeds: fc.array(anyDeed, { minLength: 1, maxLength: mostAtOnce, size: "max" }),
      }),
      { minLength: 1, maxLength: 40, size: "max" },
    ),
  });
type Story = ReturnType<typeof storyOf> extends Arbitrary<infer Value> ? Value : never;

const testStore = await openTestStore(createClockedDatabase);
const { store, url } = testStore;
/** Another process's. */
const second = openStore({
  databaseUrl: url,
  applicationName: "bellhop-test",
  maxConnections: 10,
  onError: () => {},
});
after(() => second.close());

class Told {
  private readonly runs: LimitedRuns;
  private readonly judged: JudgedRuns;

  constructor(runs: LimitedRuns) {
    this.runs = runs;
    this.judged = new JudgedRuns(runs);
  }

  async begin({ queues, functions }: Story): Promise<void> {
    await this.judged.judged(async () => {
      for (const name of FUNCTIONS) await this.judged.deploy(name, functions[name]);
      for (const name of ["mail", "reports"] as const) await this.judged.put(name, queues[name]);
    });
  }

  async step({ afterMs, deeds }: Story["steps"][number]): Promise<void> {
    if (afterMs > 0) await this.runs.passTime(afterMs);
    const [alone, together] = this.divide(deeds);
    for (const deed of alone) await this.judged.judged(() => this.act(deed));
    if (together.length > 0)
      await this.judged.judged(
        () => Promise.all(together.map((deed) => this.act(deed))),
        together.length === 1,
      );
  }

  async settle(): Promise<void> {
    await this.judged.settle();
  }

  /** What is done by itself, and what is done at once. Changes of one limit come one after the other; what is removed is not arrived at. */
  private divide(deeds: Deed[]): [Deed[], Deed[]] {
    const changed = new Set<string>();
    // A call that is handed over at the same moment does not know of the limit yet.
    if (deeds.some(({ is }) => is === "call")) changed.add("the namespace");
    const together = deeds.filter((deed) => {
      if (!isChange(deed)) return true;
      const target = "queue" in deed ? deed.queue : "name" in deed ? deed.name : "the namespace";
      if (changed.has(target) || deed.is === "remove") return false;
      changed.add(target);
      return true;
    });
    return [deeds.filter((deed) => !together.includes(deed)), together];
  }

  private async act(deed: Deed): Promise<void> {
    const { runs, judged } = this;
    switch (deed.is) {
      case "arrive":
        return await this.arrive(deed);
      case "claim": {
        const ids = runs.known.map(({ id }) => id);
        const some = deed.newest ? ids.slice(-deed.count) : ids.slice(0, deed.count);
        return await judged.claim(deed.worker, some, deed.short ? SHORT_MS : null);
      }
      case "claim due":
        return await judged.claimDue(deed.worker, deed.count);
      case "call":
        return await this.call(deed);
      case "end":
        return await runs.end(deed.worker, deed.count, deed.outcome, deed.dies);
      case "lose":
        return await runs.loseWorker(deed.worker, deed.onlyStoodStill);
      case "job":
        return await (deed.job === "retries" ? runs.queueRetries() : runs.job(deed.job));
      case "put":
        return await judged.put(deed.queue, deed.limits);
      case "pause":
        return await judged.pause(deed.queue, deed.forMs);
      case "resume":
        return await judged.resume(deed.queue);
      case "deploy":
        return await judged.deploy(deed.name, deed.concurrency);
      case "limit namespace":
        return await judged.limitNamespace(deed.concurrency);
      case "remove":
        return await (deed.queue === DEFAULT_QUEUE ? undefined : judged.removeQueue(deed.queue));
      case "cancel":
        return await runs.cancel(this.pick(deed, deed.count));
      case "expect":
        return runs.expectLimits(deed.worker, deed.outlook);
      case "redrive":
        return await runs.redrive();
      case "move": {
        const [id] = this.pick(deed, 1);
        const taskId = runs.known.find((run) => run.id === id)?.taskId;
        if (taskId && this.isThere(deed.place.queue)) await runs.move(taskId, deed.place);
      }
    }
  }

  private pick({ which, run }: { which: "granted" | "open"; run: number }, count: number): string[] {
    const standing = this.judged.openRuns.filter(({ isGranted }) => which === "open" || isGranted);
    const at = run % Math.max(standing.length, 1);
    return standing.slice(at, at + count).map(({ id }) => id);
  }

  private isThere(queue: string): boolean {
    return queue === DEFAULT_QUEUE || this.judged.queues.has(queue);
  }

  private async arrive({ place, calls, count, isShort }: Extract<Deed, { is: "arrive" }>): Promise<void> {
    if (!this.isThere(place.queue)) return;
    const timeoutMs = isShort ? SHORT_MS : 5 * SECOND_MS;
    for (let made = 0; made < count; made += 1)
      await (calls === null
        ? this.runs.queueTask(place, timeoutMs)
        : this.runs.queueCall(calls, place, timeoutMs));
  }

  /** While `default` or the namespace is limited, and of a function without a limit, no call takes a permit. */
  private async call({ worker, name }: Extract<Deed, { is: "call" }>): Promise<void> {
    const { queues, functions, functionKeys } = this.judged;
    const byDefault = queues.get(DEFAULT_QUEUE);
    if ((byDefault && isLimited(byDefault)) || this.judged.isNamespaceLimited) return;
    if (functions.get(functionKeys.get(name)!) !== null) await this.judged.call(worker, name);
  }
}

type Change = Extract<Deed, { is: "put" | "pause" | "resume" | "deploy" | "limit namespace" | "remove" }>;
const isChange = (deed: Deed): deed is Change =>
  ["put", "pause", "resume", "deploy", "limit namespace", "remove"].includes(deed.is);

async function tell(story: Story): Promise<void> {
  const told = new Told(await LimitedRuns.open(testStore, [store, second], WORKERS));
  await told.begin(story);
  for (const step of story.steps) await told.step(step);
  await told.settle();
}

test("limits hold, counts are true, and nothing waits for nothing: one thing after the other", async () => {
  await assertAsyncHolds(storyOf(1), tell, 6);
});

test("limits hold, counts are true, and nothing waits for nothing: many things at once", async () => {
  await assertAsyncHolds(storyOf(6), tell, 4);
});
