/** What a caller sends survives input → stored → wire → input, for schedules and policies of every kind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom, type Random } from "../../test/support/random.ts";
import { CATCH_UP_POLICIES } from "../domain/catch-up.ts";
import { OVERLAPS } from "../domain/overlap.ts";
import { formatDuration } from "../duration.ts";
import type { JsonObject } from "../json.ts";
import { readPolicy, toStoredPolicy } from "./stored-policy.ts";
import { type TaskInput, taskInput } from "./task-input.ts";
import { toTaskDefinition } from "./task-output.ts";
import { DEFAULT_POLICY, toWirePolicy } from "./task-policy.ts";

const NOW = new Date("2026-06-01T12:00:00.000Z");
const schema = taskInput(() => NOW);
const SAMPLES = 500;

const duration = (random: Random, minMs: number, maxMs: number) => {
  const ms = random.pick([
    minMs,
    maxMs,
    random.whole(minMs, maxMs),
    random.whole(minMs, Math.min(maxMs, 90_000)),
  ]);
  return random.pick([formatDuration(ms), `${ms}ms`, `PT${ms / 1_000}S`]);
};

const changes = (random: Random) => ({
  gap: random.maybe(() => random.pick(["shift", "skip"])),
  repeat: random.maybe(() => random.pick(["first", "both"])),
});

const repetition = (random: Random) => ({
  startAt: random.maybe(() => "2026-07-01T00:00:00Z"),
  endAt: random.maybe(() => "2096-07-01T00:00:00+02:00"),
  maxRuns: random.maybe(() => random.whole(1, 1e9)),
  jitter: random.maybe(() => duration(random, 1, 60_000)),
  exclude: random.maybe(() => without({ dates: ["2026-12-25"], cron: random.maybe(() => "* * 24 12 *") })),
});

const SCHEDULES: Record<string, (random: Random) => JsonObject | undefined> = {
  now: () => undefined,
  local: (random) => ({ at: "2026-12-01T09:00", timezone: random.pick(["UTC", "Europe/Rome"]) }),
  once: (random) => ({
    at: random
      .pick([new Date(NOW.getTime() + random.whole(0, 1e11)).toISOString()])
      .replace("Z", random.pick(["Z", "+00:00", "+05:30", "-11:00"])),
  }),
  delay: (random) => ({ delay: duration(random, 0, 3_660 * 86_400_000) }),
  every: (random) => ({
    every: duration(random, 1_000, 3_660 * 86_400_000),
    ...without({
      anchor: random.maybe(() => "2026-12-01T09:00:00+01:00"),
      timezone: random.maybe(() => "Europe/Rome"),
      ...repetition(random),
    }),
  }),
  cron: (random) => ({
    cron: random.pick<string | string[]>([
      ...["*/5 * * * *", "0 9 * * MON-FRI", "30 0 12 1 * *", "@daily", " 0 0 29 2 * "],
      ["0 9 * * *", "30 17 * * FRI"],
    ]),
    ...without({
      timezone: random.maybe(() => random.pick(["UTC", "Europe/Rome", "America/Nuuk"])),
      ...changes(random),
      ...repetition(random),
    }),
  }),
  rrule: (random) => ({
    rrule: random.pick(["FREQ=DAILY", "RRULE:FREQ=MONTHLY;BYDAY=-1FR\nEXDATE:20261225T090000"]),
    ...without({
      anchor: random.maybe(() => "2026-12-01T09:00:00.000Z"),
      timezone: random.maybe(() => random.pick(["UTC", "Europe/Rome"])),
      ...changes(random),
      ...repetition(random),
    }),
  }),
};

function policyOf(random: Random): JsonObject {
  const bounds = () => ({
    initial: random.maybe(() => duration(random, 1, 86_400_000)),
    max: random.maybe(() => duration(random, 1, 7 * 86_400_000)),
    jitter: random.maybe(() => random.pick([true, false])),
  });
  const linear = () => without({ kind: "linear", ...bounds() });
  const list = () =>
    without({
      kind: "list",
      waits: Array.from({ length: random.whole(1, 5) }, () => duration(random, 1, 7 * 86_400_000)),
      jitter: random.maybe(() => random.pick([true, false])),
    });
  const exponential = () =>
    without({
      kind: random.maybe(() => "exponential"),
      initial: random.maybe(() => duration(random, 1, 86_400_000)),
      factor: random.maybe(() => random.pick([1, 10, 1 + random.next() * 9])),
      max: random.maybe(() => duration(random, 1, 7 * 86_400_000)),
      jitter: random.maybe(() => random.pick([true, false])),
    });
  const retry = () =>
    without({
      maxAttempts: random.maybe(() => random.whole(1, 100)),
      backoff: random.maybe(() => random.pick([exponential, linear, list])()),
      on: random.maybe(() => [random.pick(["http_status", "timeout", "5xx", 404, "503"])]),
    });
  const catchUp = () =>
    without({
      policy: random.maybe(() => random.pick([...CATCH_UP_POLICIES])),
      window: random.maybe(() => random.pick([null, duration(random, 1_000, 3_660 * 86_400_000)])),
      max: random.maybe(() => random.whole(1, 1_000)),
    });
  const debounce = () =>
    without({
      key: random.pick(["k", "order 7/2"]),
      wait: duration(random, 10, 1_000),
      max: random.maybe(() => duration(random, 1_000, 7 * 86_400_000)),
    });
  const limit = () => random.pick([null, duration(random, 60_001, 3_660 * 86_400_000)]);
  return without({
    retry: random.maybe(retry),
    timeout: random.maybe(() => duration(random, 100, 3_600_000)),
    deadLetter: random.maybe(() => random.pick([true, false])),
    ttl: random.maybe(limit),
    deadline: random.maybe(limit),
    pauseAfterFailures: random.maybe(() => random.pick([null, random.whole(1, 100)])),
    overlap: random.maybe(() => random.pick([...OVERLAPS])),
    catchUp: random.maybe(() => random.pick([null, catchUp()])),
    expect: random.maybe(() =>
      random.pick([null, { within: duration(random, 60_001, 3_660 * 86_400_000) }, { by: "08:00" }]),
    ),
    queue: random.maybe(() => random.pick(["default", "mail"])),
    concurrencyKey: random.maybe(() => random.pick([null, "ada", "order 7/2"])),
    rateKey: random.maybe(() => random.pick([null, "ada"])),
    priority: random.maybe(() => random.whole(0, 100)),
    debounce: random.maybe(() => random.pick([null, debounce()])),
  });
}

/** Without the fields that were not drawn. */
const without = (fields: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as JsonObject;

/** As it comes out of jsonb. */
const store = (input: TaskInput): TaskInput => {
  const stored = JSON.parse(JSON.stringify(input)) as TaskInput;
  return { ...stored, policy: readPolicy(JSON.parse(JSON.stringify(toStoredPolicy(input.policy)))) };
};

for (const [kind, scheduleOf] of Object.entries(SCHEDULES)) {
  test(`a policy and a schedule (${kind}) survive being stored, shown and sent again`, () => {
    for (let seed = 1; seed <= SAMPLES; seed += 1) {
      const random = createRandom(seed);
      const given = {
        ...{ type: "http", url: "https://example.com/" },
        ...without({ schedule: scheduleOf(random) }),
        ...policyOf(random),
      };
      const input = schema.parse(given);
      assert.equal(input.schedule.kind, kind === "local" ? "once" : kind);
      const shown = toTaskDefinition(store(input));
      const told = `seed ${seed}: ${JSON.stringify(given)} is shown as ${JSON.stringify(shown)}`;
      assert.deepEqual(schema.parse(JSON.parse(JSON.stringify(shown))), input, told);
      assert.deepEqual(toTaskDefinition(schema.parse(shown)), shown, told);
      for (const [field, value] of Object.entries(policyOf(random))) {
        const { [field as keyof typeof shown]: _standing, ...others } = shown;
        const changed = toTaskDefinition(schema.parse({ ...others, [field]: value }));
        assert.deepEqual(
          { ...changed, [field]: null },
          { ...shown, [field]: null },
          `${told}, ${field} changed`,
        );
      }
    }
  });
}

test("a policy that was stored before a field was there goes on as it did", () => {
  const before = { ...DEFAULT_POLICY, overlap: "allow" };
  assert.deepEqual(readPolicy({}), before);
  assert.deepEqual(readPolicy({ deadLetter: false }), { ...before, deadLetter: false });
  assert.deepEqual(toWirePolicy(readPolicy({})), {
    retry: { maxAttempts: 5, backoff: { initial: "1s", factor: 2, max: "5m", jitter: true } },
    timeout: "30s",
    deadLetter: true,
    ttl: null,
    deadline: null,
    pauseAfterFailures: null,
    overlap: "allow",
    catchUp: null,
    expect: null,
    queue: "default",
    concurrencyKey: null,
    rateKey: null,
    priority: 50,
    debounce: null,
    collect: null,
  });
});

test("a change of the retry by the release before, which knows no other backoff, holds", () => {
  const given = { kind: "list" as const, waitsMs: [60_000, 300_000], jitter: false };
  const retry = { maxAttempts: 3, backoff: given, on: [503] };
  const stored = toStoredPolicy({ ...DEFAULT_POLICY, retry });
  const standIn = { initialMs: 60_000, factor: 1, maxMs: 300_000, jitter: false };
  assert.deepEqual(stored.retry, { maxAttempts: 3, backoff: standIn }, "what that release runs by");
  const more = { ...stored, retry: { maxAttempts: 4, backoff: standIn } };
  assert.deepEqual(readPolicy(more).retry, { ...retry, maxAttempts: 4 });
  const other = { maxAttempts: 3, backoff: { ...standIn, initialMs: 1 } };
  assert.deepEqual(readPolicy({ ...stored, retry: other }).retry, { ...other, on: [503] });
  const linear = { kind: "linear" as const, initialMs: 5, maxMs: 50, jitter: true };
  assert.deepEqual(
    toStoredPolicy({ ...DEFAULT_POLICY, retry: { ...retry, backoff: linear } }).retry.backoff,
    {
      ...{ initialMs: 5, factor: 1, maxMs: 50, jitter: true },
    },
  );
});

test("a policy that was stored under other rules is shown as it is, without what only a later release knows", () => {
  const stored = {
    retry: {
      maxAttempts: 5_000,
      backoff: { initialMs: 0, factor: 99, maxMs: 1e12, jitter: true, later: 1 },
      later: 1,
    },
    timeoutMs: 1,
    deadLetter: true,
    later: { a: 1 },
  };
  assert.deepEqual(toWirePolicy(readPolicy(stored)), {
    ...toWirePolicy(readPolicy({})),
    retry: {
      maxAttempts: 5_000,
      backoff: { initial: "0ms", factor: 99, max: formatDuration(1e12), jitter: true },
    },
    timeout: "1ms",
  });
});
