/**
 * One membership in a consumer group, by one consumer of kafkajs, which is never restarted: what ends it is told, and
 * whoever wants to go on joins anew. States: joining → member ⇄ rejoining (by itself, when the group changes) → ended
 * (crashed, or left) → gone.
 */
import type { Consumer, EachBatchPayload } from "kafkajs";
import type { Clock } from "../clock.ts";
import { parseBell } from "./bell.ts";
import type { KafkaClient } from "./kafka-client.ts";
import { type CommitOffset, createCommits } from "./kafka-commits.ts";
import type { Member } from "./supervise-consumer.ts";
import type { BellHandler } from "./transport.ts";

export interface MembershipParts {
  /** Of its own; it is closed with the membership. */
  client: KafkaClient;
  groupId: string;
  topic: string;
  handler: BellHandler;
  clock: Clock;
}

/**
 * Long poll: what rings ends it. So long a partition that is new to the member waits at most, where kafkajs has begun a
 * fetch without it, and so long a stop takes; each poll costs worker and broker more than a bell.
 */
const FETCH_WAIT_MS = 250;
/** A member that is silent for so long is out of its group. */
const SESSION_MS = 10_000;
/** A change of the group waits so long for its slowest member. */
const REBALANCE_MS = 15_000;
const HEARTBEAT_MS = 2_000;
const BELLS_PER_CHUNK = 500;
/** Connecting, and the slowest member's rejoining. */
const JOIN_MS = 60_000;

export async function joinGroup(parts: MembershipParts, signal: AbortSignal): Promise<Member> {
  const { client, groupId, topic, clock } = parts;
  const consumer = client.kafka.consumer({
    groupId,
    sessionTimeout: SESSION_MS,
    heartbeatInterval: HEARTBEAT_MS,
    rebalanceTimeout: REBALANCE_MS,
    maxWaitTimeInMs: FETCH_WAIT_MS,
    allowAutoTopicCreation: false,
    // It would restart only after errors that it calls retriable; a member that was forgotten is not among them.
    retry: { initialRetryTime: 100, maxRetryTime: 2_000, restartOnFailure: async () => false },
  });
  const signs = watchSigns(consumer, clock);
  const hands = createHands(createCommits(consumer, topic), parts.handler);
  const running = run(consumer, topic, hands.handleBatch);
  // A consumer that crashes while it joins ends its run without an error.
  running.catch(signs.fail);
  let leaving: Promise<void> | undefined;

  async function leave(): Promise<void> {
    hands.close();
    // One that is joining cannot be stopped before it has: kafkajs would go on with it.
    const gone = running.catch(() => undefined).then(() => consumer.disconnect());
    gone.catch(() => undefined);
    await hands.whenEmpty();
    await client.close(() => gone);
  }

  const member: Member = {
    ended: signs.ended,
    judgeSilence: (nowMs) => judgeSilence(nowMs - signs.lastMs(), signs.isRejoining()),
    leave: () => (leaving ??= leave()),
  };
  try {
    await untilJoined(signs.joined, clock, signal);
    return member;
  } catch (error) {
    await member.leave();
    throw error;
  }
}

/** Silence that is negative, by a clock that was set back, is no better than one that is long. */
export function judgeSilence(silentMs: number, isRejoining: boolean): "none" | "long" | "dead" {
  const ms = Math.abs(silentMs);
  if (ms > SESSION_MS + (isRejoining ? REBALANCE_MS : 0)) return "dead";
  return ms > SESSION_MS / 2 ? "long" : "none";
}

async function run(
  consumer: Consumer,
  topic: string,
  eachBatch: (payload: EachBatchPayload) => Promise<void>,
): Promise<void> {
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: 16,
    eachBatch,
  });
}

/** What the consumer does, and when it was last held for a member. */
function watchSigns(consumer: Consumer, clock: Clock) {
  const joined = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<unknown>();
  joined.promise.catch(() => {});
  let lastMs = clock.now().getTime();
  let isRejoining = false;
  const sign = () => {
    lastMs = clock.now().getTime();
  };
  const fail = (error: unknown) => {
    joined.reject(error);
    ended.resolve(error);
  };
  const { GROUP_JOIN, FETCH, HEARTBEAT, REBALANCING, CRASH } = consumer.events;
  consumer.on(FETCH, sign);
  consumer.on(HEARTBEAT, sign);
  consumer.on(REBALANCING, () => {
    sign();
    isRejoining = true;
  });
  consumer.on(GROUP_JOIN, () => {
    sign();
    isRejoining = false;
    joined.resolve();
  });
  consumer.on(CRASH, ({ payload }) => fail(payload.error));
  return {
    joined: joined.promise,
    ended: ended.promise,
    lastMs: () => lastMs,
    isRejoining: () => isRejoining,
    fail,
  };
}

/** The bells in the handler's hands. */
function createHands(commit: CommitOffset, handler: BellHandler) {
  const calls = new Set<Promise<void>>();
  let isClosed = false;

  async function handle(bells: EachBatchPayload["batch"]["messages"]) {
    // What is no bell is skipped, for it would block the partition for ever.
    const call = handler.onBells(bells.flatMap(({ value }) => parseBell(value) ?? []));
    calls.add(call);
    try {
      await call;
    } finally {
      calls.delete(call);
    }
  }

  return {
    async handleBatch(payload: EachBatchPayload): Promise<void> {
      const { batch, resolveOffset, heartbeat, isRunning, isStale } = payload;
      const { partition, messages } = batch;
      for (let from = 0; from < messages.length; from += BELLS_PER_CHUNK) {
        if (!isRunning() || isStale() || isClosed) return;
        const chunk = messages.slice(from, from + BELLS_PER_CHUNK);
        const last = chunk.at(-1)!.offset;
        // While all slots are taken the call waits, and then the commit, which kafkajs gives up after its tries: heartbeats
        // keep the partition meanwhile.
        const beating = setInterval(() => void heartbeat().catch(() => undefined), HEARTBEAT_MS / 2);
        try {
          await handle(chunk);
          resolveOffset(last);
          await commit(partition, String(BigInt(last) + 1n));
        } catch (error) {
          if (isClosed) return;
          throw error;
        } finally {
          clearInterval(beating);
        }
      }
    },
    close() {
      isClosed = true;
    },
    async whenEmpty(): Promise<void> {
      while (calls.size > 0) await Promise.allSettled(calls);
    },
  };
}

/** Rejects when the time is over, or the signal aborts, before it has joined. */
async function untilJoined(joined: Promise<void>, clock: Clock, signal: AbortSignal): Promise<void> {
  const done = new AbortController();
  const late = clock.sleep(JOIN_MS, AbortSignal.any([done.signal, signal])).then(() => {
    throw new Error(`the group was not joined within ${JOIN_MS / 1_000} s`);
  });
  late.catch(() => undefined);
  await Promise.race([joined, late]).finally(() => done.abort());
}
