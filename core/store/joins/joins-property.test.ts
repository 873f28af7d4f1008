/**
 * Random stories of calls that become one run, on a real PostgreSQL under a stubbed clock: calls of functions and runs of
 * tasks, by `debounce` and by `collect`, of two processes, one of which is killed now and then between two statements;
 * claims, cancels and closes meanwhile. Whatever was acknowledged is where its caller was told, once, or was replaced by
 * a later one; every run is due when it should be, and starts no sooner.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc, { type Arbitrary } from "fast-check";
import { createClockedDatabase, setDatabaseClock } from "../../../test/support/clocked-database.ts";
import { createMortalStore, type MortalStore } from "../../../test/support/mortal-store.ts";
import { assertAsyncHolds } from "../../../test/support/properties.ts";
import { type Collect, type Debounce, decideDebounced } from "../../domain/joining.ts";
import { openStore, type Store } from "../database.ts";
import { cancelRuns } from "../runs/cancel.ts";
import { claimRuns } from "../runs/claim.ts";
import {
  COLLECTED_INVOCATIONS,
  COLLECTED_TASK_RUNS,
  DEBOUNCED_INVOCATIONS,
  DEBOUNCED_TASK_RUNS,
} from "../runs/joinable.ts";
import { createTask } from "../tasks/create.ts";
import { deployFunction, httpTask, makeWorker } from "../testing/samples.ts";
import { openTestStore } from "../testing/test-store.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { collectIn, debounceIn, type Joined } from "./join.ts";
import { joinTogether } from "./join-together.ts";
import { closeDueRuns, type JoinPlace } from "./joinable-runs.ts";

const COLLECT: Collect = { size: 3, waitMs: 10_000 };
const DEBOUNCE: Omit<Debounce, "key"> = { waitMs: 5_000, maxMs: 12_000 };
const KINDS = ["collected calls", "debounced calls", "collected runs", "debounced runs"] as const;
type Kind = (typeof KINDS)[number];
const isCollected = (kind: Kind) => kind.startsWith("collected");

const anyCall = fc.record({
  is: fc.constant("call" as const),
  kind: fc.constantFrom(...KINDS),
  count: fc.integer({ min: 1, max: 4 }),
  /** Of the process that is killed: after so many statements; null: it lives. */
  diesAfter: fc.option(fc.nat(9), { freq: 3 }),
});
const anyDeed = fc.oneof(
  { weight: 6, arbitrary: anyCall },
  { weight: 2, arbitrary: fc.record({ is: fc.constant("claim" as const) }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant("close" as const) }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant("cancel" as const), run: fc.nat() }) },
);
type Deed = typeof anyDeed extends Arbitrary<infer Value> ? Value : never;
const anyStory = fc.array(
  fc.record({
    afterMs: fc.constantFrom(0, 0, 1_000, 4_999, 5_000, 10_000),
    deeds: fc.array(anyDeed, { minLength: 1, maxLength: 4 }),
  }),
  { minLength: 1, maxLength: 15, size: "max" },
);
type Story = typeof anyStory extends Arbitrary<infer Value> ? Value : never;

const { store, url, newNamespace, clear } = await openTestStore(createClockedDatabase);
/** Of the process that is killed; nobody else uses its connections. */
const doomed = openStore({
  ...{ databaseUrl: url, applicationName: "bellhop-test", maxConnections: 4, onError: () => {} },
});
after(() => doomed.close());

interface Sent {
  kind: Kind;
  input: number;
  step: number;
  atMs: number;
  /** Undefined: its caller heard nothing. */
  runId?: string;
}

interface RunRow {
  id: string;
  input: number[] | number | { input: number[] | number };
  state: string;
  availableAt: Date;
  startedAt: Date | null;
}

class JoinStory {
  private readonly namespaceId: string;
  private readonly tasks: ReadonlyMap<Kind, string>;
  private readonly workerId: string;
  private readonly sent: Sent[] = [];
  private nowMs = Date.now();
  private mortal: MortalStore = createMortalStore(doomed, store.pool);

  private constructor(namespaceId: string, tasks: ReadonlyMap<Kind, string>, workerId: string) {
    this.namespaceId = namespaceId;
    this.tasks = tasks;
    this.workerId = workerId;
  }

  static async open(): Promise<JoinStory> {
    await clear();
    await store.pool.query("DELETE FROM joinable_runs");
    const namespaceId = await newNamespace();
    await deployFunction(store.db, namespaceId, "f");
    const tasks = new Map<Kind, string>();
    for (const kind of ["collected runs", "debounced runs"] as const) {
      const input = httpTask({ kind: "every", everyMs: 86_400_000 });
      tasks.set(kind, (await createTask(store, { namespaceId, input, now: new Date() })).task.id);
    }
    return new JoinStory(namespaceId, tasks, await makeWorker(store.db));
  }

  async passTime(ms: number): Promise<void> {
    this.nowMs += ms;
    await setDatabaseClock(store, new Date(this.nowMs));
  }

  async act(deed: Deed, step: number): Promise<void> {
    switch (deed.is) {
      case "call":
        return await this.call(deed.kind, deed.count, step, deed.diesAfter);
      case "claim":
        return await this.claimAll();
      case "close":
        return void (await closeDueRuns(store));
      case "cancel": {
        const { rows } = await store.pool.query<{ id: string }>("SELECT id FROM task_runs_open ORDER BY id");
        if (rows.length > 0)
          await cancelRuns(store, this.namespaceId, { runId: rows[deed.run % rows.length]!.id });
      }
    }
  }

  /** As many at once, as the API makes them. */
  private async call(kind: Kind, count: number, step: number, diesAfter: number | null): Promise<void> {
    const calls = Array.from({ length: count }, (): Sent => {
      const one = { kind, input: this.sent.length, step, atMs: this.nowMs };
      this.sent.push(one);
      return one;
    });
    if (diesAfter !== null) {
      this.mortal = createMortalStore(doomed, store.pool);
      this.mortal.liveFor(diesAfter);
    }
    const process: Store = diesAfter === null ? store : this.mortal;
    const place: JoinPlace = { namespaceId: this.namespaceId, scope: kind, key: "k" };
    await Promise.all(
      calls.map(async (one) => {
        try {
          one.runId = await joinTogether(process, place, one.input, async (inputs: number[]) => {
            const joined = await inTransaction(process.pool, (tx) => this.joinIn(tx, place, kind, inputs));
            return joined.calls.map(({ runId }) => runId);
          });
        } catch (error) {
          // Killed before it was answered: whether its call counts nobody can say.
          if (diesAfter === null) throw error;
        }
      }),
    );
  }

  private async joinIn(tx: Transaction, place: JoinPlace, kind: Kind, inputs: number[]): Promise<Joined> {
    const { namespaceId } = this;
    const call = { namespaceId, functionName: "f", timeoutMs: 1_000 };
    const run = { namespaceId, taskId: this.tasks.get(kind)! };
    const debounce = { key: place.key, ...DEBOUNCE };
    switch (kind) {
      case "collected calls":
        return await collectIn(tx, place, COLLECT, asText(inputs, call), COLLECTED_INVOCATIONS);
      case "collected runs":
        return await collectIn(tx, place, COLLECT, asText(inputs, run), COLLECTED_TASK_RUNS);
      case "debounced calls":
        return await debounceIn(tx, place, asText(inputs, { ...call, debounce }), DEBOUNCED_INVOCATIONS);
      case "debounced runs": {
        const runs = inputs.map((input) => ({ ...run, debounce, input: JSON.stringify({ input }) }));
        return await debounceIn(tx, place, runs, DEBOUNCED_TASK_RUNS);
      }
    }
  }

  private async claimAll(): Promise<void> {
    const { rows } = await store.pool.query<{ id: string }>("SELECT id FROM task_runs_open");
    await claimRuns(
      store,
      this.workerId,
      rows.map(({ id }) => id),
    );
  }

  async settle(): Promise<void> {
    await this.passTime(3_600_000);
    await closeDueRuns(store);
    await this.claimAll();
    const { rows } = await store.pool.query<RunRow>(
      `SELECT id, input, state, available_at AS "availableAt", started_at AS "startedAt" FROM task_runs`,
    );
    for (const { id, state, availableAt, startedAt } of rows) {
      assert.ok(state === "running" || state === "cancelled", `${id} is ${state}`);
      if (startedAt) assert.ok(startedAt >= availableAt, "no run starts before it is due");
    }
    const { rowCount } = await store.pool.query("SELECT FROM joinable_runs");
    assert.equal(rowCount, 0, "nothing waits to be joined any more");
    for (const kind of KINDS)
      if (isCollected(kind)) this.assertCollected(kind, rows);
      else this.assertDebounced(kind, rows);
  }

  private assertCollected(kind: Kind, rows: RunRow[]): void {
    const sent = this.sent.filter((one) => one.kind === kind);
    for (const { input, runId } of sent) {
      const holding = rows.filter((row) => toInputs(row).includes(input) && this.kindOf(row) === kind);
      if (runId === undefined)
        assert.ok(holding.length <= 1, `${input} was not answered, and is in two runs`);
      else
        assert.deepEqual(
          holding.map(({ id }) => id),
          [runId],
          `${input} is where its caller was told`,
        );
    }
    for (const row of rows.filter((row) => this.kindOf(row) === kind)) {
      const inputs = toInputs(row);
      assert.equal(new Set(inputs).size, inputs.length, "each once");
      assert.ok(inputs.length <= COLLECT.size);
      const [first, last] = [this.sent[inputs[0]!]!, this.sent[inputs.at(-1)!]!];
      const isFull = inputs.length === COLLECT.size;
      assert.equal(
        row.availableAt.getTime(),
        isFull ? last.atMs : first.atMs + COLLECT.waitMs,
        "due in time",
      );
    }
  }

  /** Of those that are sent at the same time any may be the last. */
  private assertDebounced(kind: Kind, rows: RunRow[]): void {
    const byRun = Map.groupBy(
      this.sent.filter((one) => one.kind === kind && one.runId !== undefined),
      ({ runId }) => runId!,
    );
    for (const [runId, calls] of byRun) {
      const row = rows.find(({ id }) => id === runId);
      assert.ok(row, "the run that its callers were told of is there");
      const [input] = toInputs(row) as [number];
      const [first, last, given] = [calls[0]!, calls.at(-1)!, this.sent[input]!];
      assert.equal(given.kind, kind);
      assert.ok(given.step >= last.step, `${input} is not the last one's input`);
      if (given.runId !== undefined) assert.equal(given.runId, runId);
      const dueAts = this.openedAtMs(kind, first).map((atMs) =>
        decideDebounced(new Date(atMs), new Date(given.atMs), { key: "k", ...DEBOUNCE }).getTime(),
      );
      assert.ok(dueAts.includes(row.availableAt.getTime()), "due in time");
    }
  }

  /** One that was not answered may have opened the run. */
  private openedAtMs(kind: Kind, first: Sent): number[] {
    const unanswered = this.sent.filter(
      (one) => one.kind === kind && one.input < first.input && one.runId === undefined,
    );
    return [first.atMs, ...unanswered.map(({ atMs }) => atMs)];
  }

  private kindOf(row: RunRow): Kind | undefined {
    const [input] = toInputs(row);
    return input === undefined ? undefined : this.sent[input]?.kind;
  }
}

const asText = <Call>(inputs: number[], call: Call) =>
  inputs.map((input) => ({ ...call, input: JSON.stringify(input) }));

function toInputs({ input }: RunRow): number[] {
  const given = typeof input === "object" && "input" in input ? input.input : input;
  return Array.isArray(given) ? given : [given];
}

async function tell(story: Story): Promise<void> {
  const told = await JoinStory.open();
  for (const [step, { afterMs, deeds }] of story.entries()) {
    await told.passTime(afterMs);
    await Promise.all(deeds.map((deed) => told.act(deed, step)));
  }
  await told.settle();
}

test("what was acknowledged is in its run, once, or was replaced by a later call; and every run is due in time", async () => {
  await assertAsyncHolds(anyStory, tell, 12);
});
