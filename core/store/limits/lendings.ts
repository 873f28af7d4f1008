/**
 * What a worker knows of the permits that it was lent (lent-permits.ts): how many more runs it may start by them.
 *
 * States of a lending: standing → over, once a claim is told that it was called back, a claim failed and nobody knows what
 * it started, or a minute has passed. What was started by it counts as it did: who called it back has seen that.
 */
import type { Store } from "../database.ts";
import { type LentPermits, lendPermits } from "./lent-permits.ts";
import { expectNoLimits } from "./met-limits.ts";

/** Of one key. A run that was started by it holds on to it, and gives its part back at its end. */
export interface Lending {
  readonly id: string;
  readonly key: string;
  left: number;
  /** It is lent anew from then on. */
  readonly untilMs: number;
}

interface Account {
  /** Those that stand, by their keys. */
  lendings: Map<string, Lending>;
  /** Keys of which the last claim took permits one by one. */
  met: Set<string>;
  /** Keys that are not asked for again until then. */
  refusedUntilMs: Map<string, number>;
}

/** Limits of which a worker is lent permits at the same time. */
const MAX_LENDINGS = 100;
const LENT_MS = 60_000;
/** Before it asks for those of the same limit again. */
const REST_MS = 1_000;

type Lend = (store: Store, workerId: string, keys: string[]) => Promise<LentPermits[]>;

const accounts = new WeakMap<Store["pool"], Map<string, Account>>();

function accountOf({ pool }: Pick<Store, "pool">, workerId: string): Account {
  let byWorker = accounts.get(pool);
  if (!byWorker) {
    byWorker = new Map();
    accounts.set(pool, byWorker);
  }
  let account = byWorker.get(workerId);
  if (!account) {
    account = { lendings: new Map(), met: new Set(), refusedUntilMs: new Map() };
    byWorker.set(workerId, account);
  }
  return account;
}

/** What a claim may start by lent permits, set aside for it. */
export interface SetAside {
  ids: string[];
  /** What it did not start goes back. `standing`: the keys of what was not called back; left out, nobody looked. */
  settle(started: readonly StartedRun[], standing?: readonly string[]): void;
  /** Nobody knows what it has started. */
  lose(): void;
}

/** Of a run that was started without a permit of its own: the limits that may hold for it. */
export interface StartedRun {
  keys: readonly string[];
  run: { lent?: readonly Lending[] };
}

/** Of all keys of which the worker has as many left as the claim may take runs; undefined: of none. */
export function setAside(
  store: Pick<Store, "pool">,
  workerId: string,
  count: number,
  nowMs = performance.now(),
): SetAside | undefined {
  const standing = accounts.get(store.pool)?.get(workerId)?.lendings;
  if (!standing || standing.size === 0) return undefined;
  const lendings = new Map<string, Lending>();
  for (const [key, lending] of standing) {
    if (lending.untilMs <= nowMs) standing.delete(key);
    else if (lending.left >= count) lendings.set(key, lending);
  }
  if (lendings.size === 0) return undefined;
  for (const lending of lendings.values()) lending.left -= count;
  const end = (key: string) => {
    if (standing.get(key) === lendings.get(key)) standing.delete(key);
  };
  return {
    ids: Array.from(lendings.values(), ({ id }) => id),
    settle(started, standingKeys) {
      for (const lending of lendings.values()) lending.left += count;
      for (const { keys, run } of started) {
        const lent = keys.flatMap((key) => lendings.get(key) ?? []);
        for (const lending of lent) lending.left -= 1;
        if (lent.length > 0) run.lent = lent;
      }
      if (standingKeys) for (const key of lendings.keys()) if (!standingKeys.includes(key)) end(key);
    },
    lose: () => [...lendings.keys()].forEach(end),
  };
}

/** Runs that were started by lent permits, and are the worker's no more. */
export function endLent(runs: readonly { lent?: readonly Lending[] | undefined }[]): void {
  for (const { lent } of runs) for (const lending of lent ?? []) lending.left += 1;
}

/** A claim took permits of these keys one by one; whether any of them are of limits that have lent none. */
export function noteMet(store: Pick<Store, "pool">, workerId: string, keys: ReadonlySet<string>): boolean {
  if (keys.size === 0) return false;
  const { met, lendings } = accountOf(store, workerId);
  const others = [...keys].filter((key) => !lendings.has(key));
  for (const key of others) if (met.size < MAX_LENDINGS) met.add(key);
  return others.length > 0;
}

/** After a claim: asks to be lent permits of the limits that it met. */
export async function borrowPermits(
  store: Store,
  workerId: string,
  { nowMs = performance.now(), lend = lendPermits as Lend, restMs = REST_MS } = {},
): Promise<void> {
  const { met, lendings, refusedUntilMs } = accountOf(store, workerId);
  if (met.size === 0) return;
  for (const [key, untilMs] of refusedUntilMs) if (untilMs <= nowMs) refusedUntilMs.delete(key);
  const keys = [...met].filter((key) => !refusedUntilMs.has(key)).slice(0, MAX_LENDINGS - lendings.size);
  met.clear();
  if (keys.length === 0) return;
  for (const key of keys) refusedUntilMs.set(key, nowMs + restMs);
  const lent = await lend(store, workerId, keys);
  for (const { id, key, count } of lent)
    lendings.set(key, { id, key, left: count, untilMs: nowMs + LENT_MS });
  if (lent.length === keys.length) expectNoLimits(store);
}
