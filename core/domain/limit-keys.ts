/** What a limit holds for, by name: a run may start where each of its keys has a permit left. */
import { isDeepStrictEqual } from "node:util";

/** The queue of whatever names none. It always exists. */
export const DEFAULT_QUEUE = "default";

/** Of whatever names none, in 0 to `MAX_PRIORITY`: of runs that wait, those with a higher one start first. */
export const DEFAULT_PRIORITY = 50;
export const MAX_PRIORITY = 100;

/** Runs of one function, whatever their revision. */
export const functionKey = (functionId: string) => `function:${functionId}`;

/** All runs of a namespace. */
export const namespaceKey = (namespaceId: string) => `namespace:${namespaceId}`;

/** Runs of one queue. */
export const queueKey = (namespaceId: string, queue: string) => `queue:${namespaceId}/${queue}`;

export const isQueueKey = (key: string) => /^queue:[^/]+\/[^/]+$/.test(key);

/** Those of them that have the same concurrency key, such as a customer. */
const concurrencySubkey = (namespaceId: string, queue: string, key: string) =>
  `${queueKey(namespaceId, queue)}/${key}`;

/** Those that have the same rate key. */
const rateSubkey = (namespaceId: string, queue: string, key: string) => `rate:${namespaceId}/${queue}/${key}`;

export const isRateKey = (key: string) => key.startsWith("rate:");

/** Where a run stands, as its task or its caller says. */
export interface QueuePlace {
  queue: string;
  concurrencyKey: string | null;
  rateKey: string | null;
  priority: number;
}

/** Of what says nothing of it. */
export const DEFAULT_PLACE: QueuePlace = {
  ...{ queue: DEFAULT_QUEUE, concurrencyKey: null, rateKey: null, priority: DEFAULT_PRIORITY },
};

export const isDefaultPlace = (place: QueuePlace) => isDeepStrictEqual(place, DEFAULT_PLACE);

/** As they are stored with a task or a run. */
export interface PlacedRun {
  /** Null: `default`, and no key in it. The limits of `default` hold for such a run without being named. */
  queue: string | null;
  /** Of its queue, where it names keys there; null: that of the queue alone. */
  limitKeys: string[] | null;
  priority: number;
}

export function placeInQueue(namespaceId: string, place: QueuePlace): PlacedRun {
  const { queue, concurrencyKey, rateKey, priority } = place;
  if (concurrencyKey === null && rateKey === null)
    return { queue: queue === DEFAULT_QUEUE ? null : queue, limitKeys: null, priority };
  const keys = [queueKey(namespaceId, queue)];
  if (concurrencyKey !== null) keys.push(concurrencySubkey(namespaceId, queue, concurrencyKey));
  if (rateKey !== null) keys.push(rateSubkey(namespaceId, queue, rateKey));
  return { queue, limitKeys: keys, priority };
}

/** What `placeInQueue` was told of the keys, of those that a run names. */
export function keysInQueue(limitKeys: readonly string[]): Pick<QueuePlace, "concurrencyKey" | "rateKey"> {
  const find = (kind: "queue" | "rate") => {
    const prefix = new RegExp(`^${kind}:[^/]+/[^/]+/`);
    return limitKeys.find((key) => prefix.test(key))?.replace(prefix, "") ?? null;
  };
  return { concurrencyKey: find("queue"), rateKey: find("rate") };
}

/**
 * With whom a run shares its turns in the line of a limit: in that of a queue, with the runs that have the same concurrency
 * key, or none as it has none. Null: in that line there are no turns.
 */
export function turnKeyOf(keys: readonly string[], lineKey: string): string | null {
  if (!isQueueKey(lineKey)) return null;
  return keys.find((key) => key.startsWith(`${lineKey}/`))?.slice(lineKey.length + 1) ?? "";
}

/** Those of a run's keys that `placeInQueue` gave it. */
export const keysOfQueue = (keys: readonly string[]) => keys.filter((key) => !key.startsWith("function:"));

/** The key of the queue in which this one is a key; undefined: it is none of a queue's own keys. */
export function parentKeyOf(key: string): string | undefined {
  const place = /^(?:queue|rate):([^/]+\/[^/]+)\//.exec(key)?.[1];
  return place && `queue:${place}`;
}
