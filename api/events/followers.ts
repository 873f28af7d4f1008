/** All who follow events in this process. */
import type { Clock } from "../../core/clock.ts";
import type { QueryScope } from "../../core/store/database.ts";
import type { Logger } from "../../core/telemetry/log.ts";
import { createFollowerPlaces, type FollowerPlaces, takePlace } from "../logs/follower-places.ts";
import { createKeyedSemaphore } from "../logs/keyed-semaphore.ts";
import type { OpenStreams, StreamOwner } from "../logs/open-streams.ts";
import { createEventFeeds } from "./event-feeds.ts";
import { type EventStream, type FollowOptions, streamEvents } from "./follow.ts";

/** Of events, how many a key may follow here at once, and all keys together. */
export const MAX_EVENT_FOLLOWERS_OF_KEY = 20;
export const MAX_EVENT_FOLLOWERS = 200;
/** Looks of feeds, and of who reads by himself, at once: as many connections. */
export const EVENT_READS_AT_ONCE = 2;

export interface EventFollowers {
  /** Throws a 429 where too many follow. */
  follow(owner: StreamOwner, options: FollowOptions): Promise<EventStream>;
  readonly count: number;
  /** After the signals of all who follow. */
  close(): Promise<void>;
}

export interface EventFollowersParts {
  /** Connections that no other request waits for. */
  store: QueryScope;
  clock: Clock;
  log: Logger;
  streams: OpenStreams;
  places?: FollowerPlaces;
}

export function createEventFollowers({
  store,
  clock,
  log,
  streams,
  places = createFollowerPlaces(MAX_EVENT_FOLLOWERS_OF_KEY, MAX_EVENT_FOLLOWERS, "streams of events"),
}: EventFollowersParts): EventFollowers {
  const semaphore = createKeyedSemaphore(EVENT_READS_AT_ONCE);
  const feeds = createEventFeeds({ store, clock, log, semaphore });
  return {
    get count() {
      return places.taken;
    },
    async follow(owner, options) {
      const onEnd = await takePlace(places, streams, owner);
      try {
        const openFeed = (wake: () => void) => feeds.open(options.namespaceId, wake);
        return await streamEvents({ store, clock, semaphore, openFeed, onEnd }, options);
      } catch (error) {
        onEnd();
        throw error;
      }
    },
    close: () => feeds.close(),
  };
}
