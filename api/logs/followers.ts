/** All who follow logs in this process. */
import type { Clock } from "../../core/clock.ts";
import type { Db } from "../../core/store/database.ts";
import type { Logger } from "../../core/telemetry/log.ts";
import { type FollowOptions, streamFollower } from "./follow.ts";
import { createFollowerPlaces, type FollowerPlaces, takePlace } from "./follower-places.ts";
import { createKeyedSemaphore } from "./keyed-semaphore.ts";
import { createLogFeeds } from "./log-feeds.ts";
import type { OpenStreams, StreamOwner } from "./open-streams.ts";

/** The reader has one of the connections, who reads by himself so many, and checks of keys what is left. */
export const FOLLOWING_CONNECTIONS = 4;
const READS_ALONE_AT_ONCE = 2;

export interface LogFollowers {
  /** Throws a 429 where too many follow. `prepare` is asked when there is a place. */
  follow(owner: StreamOwner, prepare: () => Promise<FollowOptions>): Promise<ReadableStream<Uint8Array>>;
  readonly count: number;
  /** After the signals of all who follow. */
  close(): Promise<void>;
}

export interface LogFollowersParts {
  /** Connections that no other request waits for. */
  db: Db;
  clock: Clock;
  log: Logger;
  streams: OpenStreams;
  places?: FollowerPlaces;
}

export function createLogFollowers({
  db,
  clock,
  log,
  streams,
  places = createFollowerPlaces(),
}: LogFollowersParts): LogFollowers {
  const feeds = createLogFeeds({ db, clock, log });
  const semaphore = createKeyedSemaphore(READS_ALONE_AT_ONCE);
  return {
    get count() {
      return places.taken;
    },
    async follow(owner, prepare) {
      const giveBack = await takePlace(places, streams, owner);
      try {
        const options = await prepare();
        const open = await feeds.open(options.functionId, options.after, options.searchText !== undefined);
        return streamFollower({ db, clock, open, semaphore, onEnd: giveBack }, options);
      } catch (error) {
        giveBack();
        throw error;
      }
    },
    close: () => feeds.close(),
  };
}
