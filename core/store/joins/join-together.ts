/**
 * Calls of one place that come while others of this process are under way there share the next transaction: many callers
 * of one key neither wait for each other's commits nor hold a connection each.
 */
import type { Store } from "../database.ts";
import type { JoinPlace } from "./joinable-runs.ts";

/** Of one transaction; the rest is the next one's. */
const MAX_CALLS = 1_000;

interface Waiting<Call, Result> {
  call: Call;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** By store and place, while calls of it are under way. A store that is a part of a transaction shares with no other. */
const groups = new WeakMap<Store["pool"], Map<string, Waiting<never, never>[]>>();

/**
 * The result of `call`, one of those that `joinAll` answers for the calls it is given, in their order. Calls of one place
 * are given the same `joinAll`, in effect.
 */
export async function joinTogether<Call, Result>(
  { pool }: Store,
  place: JoinPlace,
  call: Call,
  joinAll: (calls: Call[]) => Promise<Result[]>,
): Promise<Result> {
  const ofStore = groups.get(pool) ?? new Map<string, Waiting<never, never>[]>();
  groups.set(pool, ofStore);
  const key = JSON.stringify([place.namespaceId, place.scope, place.key]);
  return await new Promise<Result>((resolve, reject) => {
    const one: Waiting<Call, Result> = { call, resolve, reject };
    const underWay = ofStore.get(key) as Waiting<Call, Result>[] | undefined;
    if (underWay) {
      underWay.push(one);
      return;
    }
    const waiting = [one];
    ofStore.set(key, waiting as unknown as Waiting<never, never>[]);
    void joinAllOf(waiting, joinAll, () => ofStore.delete(key));
  });
}

async function joinAllOf<Call, Result>(
  waiting: Waiting<Call, Result>[],
  joinAll: (calls: Call[]) => Promise<Result[]>,
  leave: () => void,
): Promise<void> {
  while (waiting.length > 0) {
    const group = waiting.splice(0, MAX_CALLS);
    try {
      await joinGroup(group, joinAll);
    } catch (error) {
      if (group.length > 1 && isOfOneCall(error)) await joinEach(group, joinAll);
      else for (const { reject } of group) reject(error);
    }
  }
  // In the turn in which nobody waited: whoever comes next begins anew.
  leave();
}

async function joinGroup<Call, Result>(
  group: Waiting<Call, Result>[],
  joinAll: (calls: Call[]) => Promise<Result[]>,
): Promise<void> {
  const results = await joinAll(group.map(({ call }) => call));
  for (const [index, { resolve }] of group.entries()) resolve(results[index]!);
}

/** The database refuses a value that a call brought (class 22, data exceptions): it is not the others' fault. */
const isOfOneCall = (error: unknown) => String((error as { code?: unknown })?.code).startsWith("22");

async function joinEach<Call, Result>(
  group: Waiting<Call, Result>[],
  joinAll: (calls: Call[]) => Promise<Result[]>,
): Promise<void> {
  for (const one of group) await joinGroup([one], joinAll).catch(one.reject);
}
