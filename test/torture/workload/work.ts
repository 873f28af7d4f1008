/** Gives the system random work at a rate, until it is told to end; then takes back what would go on for ever. */
import { setTimeout as delay } from "node:timers/promises";
import { createRandom } from "../../support/random.ts";
import type { Records } from "../records.ts";
import type { System } from "../system/system.ts";
import type { Known } from "./acts/act.ts";
import { createWorkClient, type WorkClient } from "./client.ts";
import { drawAct, learn } from "./draw-act.ts";
import { prepareWork } from "./prepare.ts";

export interface Work {
  /** Answers so far, and requests that wait for one. */
  counts(): { answered: number; waiting: number };
  /** Asks for nothing new, and ends repeating tasks; resolves once every request has been answered. */
  end(): Promise<void>;
  /** Gives up what has no answer. */
  abort(): void;
}

export interface WorkOptions {
  system: System;
  records: Records;
  seed: number;
  ratePerSecond: number;
  bulk: number;
}

const TICK_MS = 50;
/** Who asks more than this waits for answers first: the harness is no attack on the API. */
const MAX_WAITING = 60;

export async function startWork({ system, records, seed, ratePerSecond, bulk }: WorkOptions): Promise<Work> {
  const aborting = new AbortController();
  const client = createWorkClient(system, records, aborting.signal);
  const hookPath = await prepareWork(client);
  const random = createRandom(seed);
  const known: Known = {
    repeating: [],
    single: [],
    failing: [],
    targetUrl: system.sinks.httpUrl,
    bulk,
    hookPath,
  };
  const waiting = new Set<Promise<void>>();
  let answered = 0;
  let count = 0;
  let isEnding = false;

  async function act(): Promise<void> {
    count += 1;
    const ask = drawAct(random, known, seed, count);
    const answer = await client.ask(ask);
    if (!answer) return;
    answered += 1;
    learn(known, ask, answer);
  }

  async function keepAsking(): Promise<void> {
    let credit = 0;
    for (let last = Date.now(); !isEnding; ) {
      await delay(TICK_MS);
      const now = Date.now();
      credit = Math.min(credit + ((now - last) * ratePerSecond) / 1_000, ratePerSecond);
      last = now;
      for (; credit >= 1 && waiting.size < MAX_WAITING; credit -= 1) {
        const asked = act().finally(() => waiting.delete(asked));
        waiting.add(asked);
      }
    }
  }

  const asking = keepAsking();
  return {
    counts: () => ({ answered, waiting: waiting.size }),
    async end() {
      isEnding = true;
      await asking;
      await Promise.all(waiting);
      await resumePaused(client, `torture-${seed}-end`);
      await Promise.all(
        known.repeating.map((id, index) => cancel(client, id, `torture-${seed}-end-${index}`)),
      );
    },
    abort: () => aborting.abort(),
  };
}

/** What fires once and was paused is to fire, too. */
async function resumePaused(client: WorkClient, key: string): Promise<void> {
  await client.ask({
    ...{ act: "resume all", key, method: "POST", path: "/v1/bulk" },
    body: { resource: "tasks", action: "resume", filter: { state: ["paused"] } },
  });
}

async function cancel(client: WorkClient, id: string, key: string): Promise<void> {
  await client.ask({
    act: "cancel repeating",
    key,
    method: "POST",
    path: `/v1/tasks/${id}/cancel`,
    body: {},
  });
}
