/**
 * What namespaces bring that are followed in this process, read once for all who follow them. Of each the newest batch is
 * kept, and how far it is known; who lacks more reads by himself (follow.ts).
 *
 * A feed: open (looked for again and again, sooner after something came) → closed, when the last one leaves.
 */
import type { Clock } from "../../core/clock.ts";
import { toWireEvent } from "../../core/contracts/event.ts";
import { type EventPosition, toPositionText } from "../../core/domain/event-position.ts";
import { createLoopRest, type LoopRest } from "../../core/loop-rest.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { currentEventPosition, readEvents, type StoredEvent } from "../../core/store/events/read.ts";
import type { Logger } from "../../core/telemetry/log.ts";
import type { KeyedSemaphore } from "../logs/keyed-semaphore.ts";

/** In one look. */
export const EVENTS_PER_LOOK = 200;
/** How soon it is looked again after events came; twice as long after each look that found none, up to the second. */
const LOOK_SOON_MS = 25;
export const LOOK_EVERY_MS = 500;
/** A look that takes long rests so many times as long: one namespace may have a hundred thousand runs waiting. */
const REST_SHARE = 10;

export interface FeedEvent extends Pick<StoredEvent, "position" | "runId" | "taskId" | "audience"> {
  /** As it is shown, and its id. */
  json: string;
  id: string;
}

export function toFeedEvent({ position, ...event }: StoredEvent): FeedEvent {
  const { runId, taskId, audience } = event;
  const id = toPositionText(position);
  return { position, runId, taskId, audience, id, json: JSON.stringify(toWireEvent({ id, ...event })) };
}

/** All that came after `from`, up to `end`. */
export interface Batch {
  readonly from: EventPosition;
  readonly end: EventPosition;
  readonly events: readonly FeedEvent[];
}

export interface OpenFeed {
  readonly newest: Batch;
  close(): void;
}

export interface EventFeeds {
  /** `wake` is called when there is something new. */
  open(namespaceId: string, wake: () => void): Promise<OpenFeed>;
  /** Resolves when nothing is read any more. */
  close(): Promise<void>;
}

export interface EventFeedsParts {
  store: QueryScope;
  clock: Clock;
  log: Logger;
  semaphore: KeyedSemaphore;
}

interface Feed {
  newest: Batch;
  readonly wakes: Set<() => void>;
  readonly rest: LoopRest;
  reading: Promise<void>;
}

export function createEventFeeds({ store, clock, log, semaphore }: EventFeedsParts): EventFeeds {
  const feeds = new Map<string, Feed>();
  const closing = new Set<Promise<void>>();

  async function readOn(namespaceId: string, feed: Feed): Promise<void> {
    let waitMs = LOOK_EVERY_MS;
    while (!feed.rest.stopped.aborted) {
      const startMs = clock.steadyMs();
      try {
        const isFound = await look(namespaceId, feed);
        waitMs = isFound ? LOOK_SOON_MS : Math.min(2 * waitMs, LOOK_EVERY_MS);
      } catch (error) {
        log.warn({ error }, "the events that are followed were not read; tried again soon");
        waitMs = LOOK_EVERY_MS;
      }
      await feed.rest.rest(Math.max(waitMs, REST_SHARE * (clock.steadyMs() - startMs)));
    }
  }

  /** Whether there was something. */
  async function look(namespaceId: string, feed: Feed): Promise<boolean> {
    const { newest } = feed;
    // For all who follow: each is shown what is for him (follow.ts).
    const filter = { audience: "operators" } as const;
    const read = () => readEvents(store, namespaceId, newest.end, EVENTS_PER_LOOK, filter);
    const { events, end } = await semaphore.run(`feed ${namespaceId}`, read);
    if (events.length === 0) {
      feed.newest = { ...newest, end };
      return false;
    }
    feed.newest = { from: newest.end, end, events: events.map(toFeedEvent) };
    for (const wake of feed.wakes) wake();
    return true;
  }

  function begin(namespaceId: string, from: EventPosition): Feed {
    const newest = { from, end: from, events: [] };
    const feed: Feed = {
      ...{ newest, wakes: new Set(), rest: createLoopRest(clock), reading: Promise.resolve() },
    };
    feeds.set(namespaceId, feed);
    feed.reading = readOn(namespaceId, feed);
    return feed;
  }

  function end(namespaceId: string, feed: Feed): void {
    feeds.delete(namespaceId);
    feed.rest.stop();
    const ended = feed.reading.finally(() => closing.delete(ended));
    closing.add(ended);
  }

  return {
    async open(namespaceId, wake) {
      const start = feeds.has(namespaceId) ? undefined : await currentEventPosition(store);
      const feed = feeds.get(namespaceId) ?? begin(namespaceId, start!);
      feed.wakes.add(wake);
      return {
        get newest() {
          return feed.newest;
        },
        close() {
          feed.wakes.delete(wake);
          if (feed.wakes.size === 0 && feeds.get(namespaceId) === feed) end(namespaceId, feed);
        },
      };
    },
    async close() {
      for (const [namespaceId, feed] of feeds) end(namespaceId, feed);
      await Promise.all(closing);
    },
  };
}
