/** Where Bellhop wants to stand beside its peers, as ratios within one run, and where it stands. */
import { spreadOf } from "../stats.ts";
import { MANY_JOBS } from "./cases/big.ts";
import {
  FUNCTION_URL,
  HEALTH,
  INVOKE,
  MEDIUM_CALLS,
  TRIVIAL_ALONE,
  TRIVIAL_CALLS,
  WORKERD,
} from "./cases/calls.ts";
import { BULK, BELLHOP as CREATING, SINGLE } from "./cases/create.ts";
import { FUNCTIONS, HTTP, IN_WORKER, NOOP_JOBS, onKafka } from "./cases/herd.ts";
import { AS_ROLES, AS_STANDALONE, SLEEPING } from "./cases/idle.ts";
import { MANY_FUNCTIONS, ONE_FUNCTION } from "./cases/many.ts";
import { BARE_NODE, BELLHOP, FIRST_RUN, FROM_ZERO, SNAPSHOT_ISOLATE } from "./cases/zero.ts";
import { PG_BOSS } from "./job-systems.ts";
import type { Measured, Result } from "./rounds.ts";

interface Side {
  work: string;
  system: string;
  read(measured: Measured): number | undefined;
}

interface Goal {
  aim: string;
  of: Side;
  /** Absent: `of` itself is bounded, not a ratio. */
  to?: Side;
  bound: { atLeast: number } | { atMost: number };
  unit?: string;
}

const rate = (work: string, system: string): Side => ({
  ...{ work, system },
  read: ({ figures }) => figures.perSecond,
});
const p50 = (work: string, system: string): Side => ({ work, system, read: ({ figures }) => figures.p50Ms });
const p99 = (work: string, system: string): Side => ({ work, system, read: ({ figures }) => figures.p99Ms });
const memory = (work: string, system: string): Side => ({
  ...{ work, system },
  read: ({ figures }) => figures.executingMb,
});

const pgBossHerd = rate(NOOP_JOBS, PG_BOSS.name);

const HERD_GOALS: Goal[] = [
  {
    aim: "a no-op in the worker, drain to pg-boss's",
    of: rate(NOOP_JOBS, IN_WORKER),
    to: pgBossHerd,
    bound: { atLeast: 1 },
  },
  {
    aim: "no-op functions, drain to pg-boss's",
    of: rate(NOOP_JOBS, FUNCTIONS),
    to: pgBossHerd,
    bound: { atLeast: 0.6 },
  },
  {
    aim: "http to a sink, drain to pg-boss's",
    of: rate(NOOP_JOBS, HTTP),
    to: pgBossHerd,
    bound: { atLeast: 0.4 },
  },
  ...[IN_WORKER, FUNCTIONS].map(
    (system): Goal => ({
      aim: `lateness p99 of ${system.replace("Bellhop, ", "")} to pg-boss's`,
      of: p99(NOOP_JOBS, system),
      to: p99(NOOP_JOBS, PG_BOSS.name),
      bound: { atMost: 1 },
    }),
  ),
  ...[IN_WORKER, FUNCTIONS, HTTP].map(
    (system): Goal => ({
      aim: `${system.replace("Bellhop, ", "")}, drain on Kafka to that on PostgreSQL`,
      of: rate(NOOP_JOBS, onKafka(system)),
      to: rate(NOOP_JOBS, system),
      bound: { atLeast: 0.85 },
    }),
  ),
  {
    aim: "six times as many no-op functions, drain to pg-boss's",
    of: rate(MANY_JOBS, FUNCTIONS),
    to: rate(MANY_JOBS, PG_BOSS.name),
    bound: { atLeast: 0.25 },
  },
];

const CREATE_GOALS: Goal[] = [
  {
    aim: "POST of a task, 64 callers, to pg-boss's send",
    of: rate(SINGLE, CREATING),
    to: rate(SINGLE, PG_BOSS.name),
    bound: { atLeast: 4 },
  },
  {
    aim: "batches of 1,000 tasks to pg-boss's insert",
    of: rate(BULK, CREATING),
    to: rate(BULK, PG_BOSS.name),
    bound: { atLeast: 1 },
  },
];

const CALL_GOALS: Goal[] = [INVOKE, FUNCTION_URL].flatMap((system): Goal[] => {
  const way = system.replace("Bellhop, ", "");
  return [
    {
      aim: `${way} of a trivial function, 32 in flight, to workerd`,
      of: rate(TRIVIAL_CALLS, system),
      to: rate(TRIVIAL_CALLS, WORKERD),
      bound: { atLeast: 0.6 },
    },
    {
      aim: `${way} one at a time, p50 to workerd's`,
      of: p50(TRIVIAL_ALONE, system),
      to: p50(TRIVIAL_ALONE, WORKERD),
      bound: { atMost: 2 },
    },
    {
      aim: `${way} with 20 KB of JSON, 32 in flight, to workerd`,
      of: rate(MEDIUM_CALLS, system),
      to: rate(MEDIUM_CALLS, WORKERD),
      bound: { atLeast: 0.6 },
    },
  ];
});

const FUNCTION_GOALS: Goal[] = [
  {
    aim: "invoke of a trivial function to /healthz of the same API",
    of: rate(TRIVIAL_CALLS, INVOKE),
    to: rate(TRIVIAL_CALLS, HEALTH),
    bound: { atLeast: 0.45 },
  },
  {
    aim: "100 functions in turn to one",
    of: rate(MANY_FUNCTIONS, INVOKE),
    to: rate(ONE_FUNCTION, INVOKE),
    bound: { atLeast: 0.8 },
  },
  {
    aim: "100 functions in turn to workerd with 100",
    of: rate(MANY_FUNCTIONS, INVOKE),
    to: rate(MANY_FUNCTIONS, WORKERD),
    bound: { atLeast: 2 },
  },
  {
    aim: "memory of worker and executors with 100 functions to workerd's",
    of: memory(MANY_FUNCTIONS, INVOKE),
    to: memory(MANY_FUNCTIONS, WORKERD),
    bound: { atMost: 1 },
  },
];

const REST_GOALS: Goal[] = [
  ...[AS_ROLES, AS_STANDALONE].flatMap((system): Goal[] => [
    {
      aim: `processor while 1,000 schedules sleep, ${system.replace("Bellhop, ", "")}`,
      of: { work: SLEEPING, system, read: ({ figures }) => figures.processorShare },
      bound: { atMost: 0.7 },
      unit: "% of a core",
    },
    {
      aim: `memory while 1,000 schedules sleep, ${system.replace("Bellhop, ", "")}`,
      of: { work: SLEEPING, system, read: ({ costs }) => costs?.proportionalMb },
      bound: { atMost: 400 },
      unit: "MB",
    },
  ]),
  {
    aim: "publish to first run started, from no worker, p50 to a bare Node start",
    of: p50(FROM_ZERO, BELLHOP),
    to: p50(FROM_ZERO, BARE_NODE),
    bound: { atMost: 1.5 },
  },
  {
    aim: "the first run of a new revision, p50 to an isolate from the snapshot",
    of: p50(FIRST_RUN, BELLHOP),
    to: p50(FIRST_RUN, SNAPSHOT_ISOLATE),
    bound: { atMost: 2 },
  },
];

const GOALS = [...HERD_GOALS, ...CREATE_GOALS, ...CALL_GOALS, ...FUNCTION_GOALS, ...REST_GOALS];

export interface Standing {
  aim: string;
  /** `≥ 0.6`, with its unit. */
  goal: string;
  /** The median and the spread of the rounds. */
  p50: number;
  min: number;
  max: number;
  isMet: boolean;
}

/** Those that were measured. A ratio is that of one round, so that an hour in which the machine is slow tells of both. */
export function judgeGoals(results: Result[]): Standing[] {
  const samplesOf = ({ work, system, read }: Side) =>
    results.find((each) => each.work === work && each.system === system)?.samples.map(read);
  return GOALS.flatMap(({ aim, of, to, bound, unit }) => {
    const [values, others] = [samplesOf(of), to && samplesOf(to)];
    if (!values || (to && !others)) return [];
    const ratios = values.flatMap((value, round) => {
      const other = to ? others?.[round] : 1;
      return value === undefined || other === undefined ? [] : [value / other];
    });
    if (ratios.length === 0) return [];
    const { p50, min, max } = spreadOf(ratios);
    const isLower = "atMost" in bound;
    const limit = isLower ? bound.atMost : bound.atLeast;
    return {
      ...{ aim, p50, min, max },
      goal: `${isLower ? "≤" : "≥"} ${limit}${unit ? ` ${unit}` : ""}`,
      isMet: isLower ? p50 <= limit : p50 >= limit,
    };
  });
}
