/** What queues and functions limit, held against every change of every run in its order. */
import { allChanges, type Evidence, type Invariant, type RunChange, showInstant } from "../evidence.ts";

interface Rate {
  limit: number;
  per: string;
  burst: number;
}
interface QueueBody {
  concurrency?: number;
  rate?: Rate;
  perKey?: { concurrency?: number; rate?: Rate };
}

interface Limits {
  concurrencyOf(key: string): number | undefined;
  rateOf(key: string): Rate | undefined;
}

/** As they were given before any run was made; they stay as they are. */
function readLimits({ answers }: Evidence): Limits {
  const queues = new Map<string, QueueBody>();
  const functions = new Map<string, number>();
  for (const { act, path, body, answer } of answers) {
    const name = path.split("/")[3]!;
    if (act === "queue") queues.set(name, body as QueueBody);
    const limits = body?.["limits"] as { concurrency?: number } | undefined;
    if (act === "deploy" && limits?.concurrency !== undefined)
      functions.set(`function:${answer["id"]}`, limits.concurrency);
  }
  const split = (key: string) => {
    const [, kind, queue, subkey] = /^(queue|rate):[^/]+\/([^/]+)(?:\/(.*))?$/.exec(key) ?? [];
    return { kind, limits: queues.get(queue ?? ""), subkey };
  };
  return {
    concurrencyOf(key) {
      const { kind, limits, subkey } = split(key);
      if (kind !== "queue") return functions.get(key);
      return subkey === undefined ? limits?.concurrency : limits?.perKey?.concurrency;
    },
    rateOf(key) {
      const { kind, limits, subkey } = split(key);
      if (kind === "rate") return limits?.perKey?.rate;
      return subkey === undefined ? limits?.rate : undefined;
    },
  };
}

const isUnderWay = ({ op, state }: RunChange) => op !== "D" && (state === "running" || state === "deferred");

export const withinConcurrency: Invariant = {
  name: "within-concurrency",
  holds: "No more runs of a queue, a key or a function are under way at once than its limit says.",
  *find(evidence) {
    const { concurrencyOf } = readLimits(evidence);
    const held = new Map<string, Set<string>>();
    for (const change of allChanges(evidence))
      for (const key of change.limitKeys ?? []) {
        const limit = concurrencyOf(key);
        if (limit === undefined) continue;
        const runs = held.get(key) ?? new Set();
        held.set(key, runs);
        if (!isUnderWay(change)) runs.delete(change.runId);
        else if (!runs.has(change.runId)) {
          runs.add(change.runId);
          if (runs.size > limit)
            yield `${runs.size} runs of ${key} at once, of ${limit}, at ${showInstant(change.at)}: ${[...runs]}`;
        }
      }
  },
};

/** Longer stretches are held to by the shorter ones in them, but for what a rate would forget slowly. */
const STRETCH_MS = 60_000;
/** Instants are whole milliseconds here. */
const ROUNDING_MS = 2;
/** A start that is up to so late puts off no other, as far as it is less than an interval. */
const MOST_LATE_MS = 1_000;

export const withinRates: Invariant = {
  name: "within-rates",
  holds: "No more runs of a queue or a key start in any stretch of time than its rate and its burst allow.",
  *find(evidence) {
    const { rateOf } = readLimits(evidence);
    for (const [key, ofKey] of Map.groupBy(starts(evidence), (start) => start.key)) {
      const rate = rateOf(key);
      if (!rate) continue;
      const intervalMs = readMs(rate.per) / rate.limit;
      const latenessMs = Math.max(0, Math.min(intervalMs - 1, MOST_LATE_MS));
      for (const [index, { beganAt: from }] of ofKey.entries()) {
        // When each was decided nobody knows but for that it was in its transaction.
        let count = 0;
        for (const { runId, beganAt, at } of ofKey.slice(index)) {
          if (at - from > STRETCH_MS) break;
          if (beganAt < from) continue;
          count += 1;
          if (count <= rate.burst + (at - from + latenessMs + ROUNDING_MS) / intervalMs) continue;
          yield `${count} runs of ${key} started from ${showInstant(from)} to ${showInstant(at)}, up to ${runId}`;
          break;
        }
      }
    }
  },
};

interface Start {
  runId: string;
  key: string;
  beganAt: number;
  at: number;
}

function* starts(evidence: Evidence): Iterable<Start> {
  const states = new Map<string, string>();
  for (const { runId, op, state, beganAt, at, limitKeys } of allChanges(evidence)) {
    const isStart = op === "U" && state === "running" && states.get(runId) === "queued";
    states.set(runId, state);
    if (isStart) for (const key of limitKeys ?? []) yield { runId, key, beganAt, at };
  }
}

/** Of the queues of the work: whole seconds. */
const readMs = (duration: string) => Number.parseInt(duration, 10) * 1_000;

export const pausesHold: Invariant = {
  name: "pauses-hold",
  holds: "From the answer to its pause on, until its end, no run of a queue starts.",
  *find(evidence) {
    const pauses = evidence.answers
      .filter(({ act, status }) => act === "pause of a queue" && (status === 200 || status === 0))
      .map(({ path, body, firstAt, at, status }) => ({
        ...{ queue: path.split("/")[3]!, firstAt, at, isAnswered: status === 200 },
        until: Date.parse(String(body!["until"])),
      }));
    for (const { runId, key, at } of starts(evidence)) {
      const queue = /^queue:[^/]+\/([^/]+)$/.exec(key)?.[1];
      const ofQueue = pauses.filter((pause) => pause.queue === queue);
      const broken = ofQueue.find(
        (pause) =>
          pause.isAnswered &&
          at > pause.at &&
          at < pause.until &&
          // Another one that was asked for meanwhile may have ended it sooner.
          !ofQueue.some((other) => other !== pause && other.at >= pause.firstAt && other.firstAt <= at),
      );
      if (broken)
        yield `run ${runId} of ${key} started at ${showInstant(at)}, in the pause until ${showInstant(broken.until)}`;
    }
  },
};
