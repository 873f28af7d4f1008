/** What the work asks for, by kind: drawn at random from what earlier answers have made. */
import type { Random } from "../../../support/random.ts";
import type { Ask } from "../client.ts";

/** What earlier answers have made. */
export interface Known {
  /** Repeating tasks that nobody has cancelled. */
  repeating: string[];
  /** The newest of those that fire once. */
  single: string[];
  /** The newest of those whose runs fail. */
  failing: string[];
  /** Where tasks call. */
  targetUrl: string;
  /** How many times larger than usual batches are. */
  bulk: number;
  /** The path of a webhook of `errand`. */
  hookPath: string;
}

export interface Act {
  /** How often it is drawn, against the others. */
  weight: number;
  /** Undefined: there is nothing that it could be done to. */
  draw(random: Random, known: Known): Omit<Ask, "act" | "key"> | undefined;
}

export const QUICK_RETRY = { maxAttempts: 8, backoff: { initial: "100ms", max: "1s" } };

/** Mostly quick; now and then slow enough to meet a fault. */
export const pauseMs = (random: Random) =>
  random.next() < 0.15 ? random.whole(500, 3_000) : random.whole(0, 60);

/** The plan of a target (sinks/plan.ts) that answers well, after a while. */
export const good = (random: Random) => `200:${pauseMs(random)}`;

export const targetOf = ({ targetUrl }: Known, plan: string) => `${targetUrl}/run?plan=${plan}`;

/** Most work is like other work. */
export const priority = (random: Random) => random.pick([0, 50, 50, 50, 100]);

export const soon = (random: Random, [least, most]: readonly [number, number]) =>
  new Date(Date.now() + random.whole(least, most)).toISOString();

export const post = (path: string, body: object = {}) => ({ method: "POST" as const, path, body });

export const createTask = (body: object) => post("/v1/tasks", body);

export const httpTask = (known: Known, plan: string, more: object = {}) => ({
  ...{ type: "http", url: targetOf(known, plan), retry: QUICK_RETRY, timeout: "10s" },
  ...more,
});
