/** The one reader of the logs that are followed in this process: it reads each function's lines once, for all. */
import type { Clock } from "../../core/clock.ts";
import { createLoopRest } from "../../core/loop-rest.ts";
import type { Db } from "../../core/store/database.ts";
import { currentLogPosition, type LogPosition, readFollowedLogs } from "../../core/store/logs.ts";
import type { Logger } from "../../core/telemetry/log.ts";
import { createKeptBatches } from "./kept-batches.ts";
import { LOOK_EVERY_MS, LogFeed } from "./log-feed.ts";

/** Of one function in one look. */
export const LINES_PER_LOOK = 500;
const FUNCTIONS_PER_LOOK = 20;

export interface LogFeeds {
  /**
   * The function's feed, which is read while somebody has it. A new one begins at `from` where that is now, else at the
   * end of what is complete.
   */
  open(functionId: string, from: LogPosition, isSearching: boolean): Promise<OpenFeed>;
  /** Resolves when nothing is read any more; no feed may be open. */
  close(): Promise<void>;
}

export interface OpenFeed {
  feed: LogFeed;
  close(): void;
}

export interface LogFeedsParts {
  db: Db;
  clock: Clock;
  log: Logger;
}

export function createLogFeeds({ db, clock, log }: LogFeedsParts): LogFeeds {
  const feeds = new Map<string, LogFeed>();
  const kept = createKeptBatches();
  const nowMs = () => clock.now().getTime();
  const rest = createLoopRest(clock);
  let reading: Promise<void> | undefined;

  async function readWhileFollowed(): Promise<void> {
    while (feeds.size > 0 && !rest.stopped.aborted) {
      rest.look();
      try {
        await readDue([...feeds.values()].filter((feed) => feed.dueAtMs <= nowMs()));
      } catch (error) {
        log.warn({ error }, "the logs that are followed were not read; tried again soon");
        await rest.rest(LOOK_EVERY_MS);
        continue;
      }
      const dueAtMs = Math.min(...[...feeds.values()].map(({ dueAtMs }) => dueAtMs));
      if (feeds.size > 0) await rest.rest(dueAtMs - nowMs());
    }
    reading = undefined;
  }

  async function readDue(due: LogFeed[]): Promise<void> {
    for (let from = 0; from < due.length; from += FUNCTIONS_PER_LOOK) {
      const some = due.slice(from, from + FUNCTIONS_PER_LOOK);
      const asked = some.map(({ functionId, end, searchers }) => ({
        ...{ functionId, position: end, withSearched: searchers > 0 },
      }));
      const found = await readFollowedLogs(db, asked, LINES_PER_LOOK);
      for (const [index, feed] of some.entries()) feed.receive(found[index]!, LINES_PER_LOOK, nowMs());
    }
  }

  return {
    async open(functionId, from, isSearching) {
      const start =
        from.snapshot === undefined && !feeds.has(functionId) ? await currentLogPosition(db) : from;
      const feed = feeds.get(functionId) ?? new LogFeed(functionId, start.position, kept, () => rest.wake());
      feeds.set(functionId, feed);
      feed.followers += 1;
      if (isSearching) feed.searchers += 1;
      if (reading) rest.wake();
      else reading = readWhileFollowed();
      return {
        feed,
        close() {
          feed.followers -= 1;
          if (isSearching) feed.searchers -= 1;
          if (feed.followers > 0) return;
          feeds.delete(functionId);
          feed.close();
          rest.wake();
        },
      };
    },
    async close() {
      rest.stop();
      await reading;
    },
  };
}
