/**
 * Following a namespace's events: each complete one once, in order, until somebody leaves. A follower takes what the feed
 * brings, or, where he lacks more than it keeps, reads by himself from where he is.
 */
import type { Clock } from "../../core/clock.ts";
import { comparePositions, type EventPosition } from "../../core/domain/event-position.ts";
import { isShownTo } from "../../core/domain/events.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { type EventFilter, readEvents } from "../../core/store/events/read.ts";
import { type FollowFormat, KEEP_ALIVE_MS } from "../logs/follow.ts";
import type { KeyedSemaphore } from "../logs/keyed-semaphore.ts";
import { EVENTS_PER_LOOK, type FeedEvent, type OpenFeed, toFeedEvent } from "./event-feeds.ts";

const FORMATS = {
  ndjson: { sign: "\n", show: ({ json }: FeedEvent) => `${json}\n` },
  sse: {
    sign: ": still here\n\n",
    show: ({ json, id }: FeedEvent) => `id: ${id}\ndata: ${json}\n\n`,
  },
};

export interface FollowOptions {
  namespaceId: string;
  keyId: string;
  /** Events after this one; left out: from now on. */
  after?: EventPosition | undefined;
  filter: EventFilter;
  format: FollowFormat;
  /** Has the stream end when the reader may not read any more; what it answers is called at the stream's end. */
  watchKey(onInvalid: () => void): () => void;
  signal: AbortSignal;
}

export interface FollowerParts {
  store: QueryScope;
  clock: Clock;
  semaphore: KeyedSemaphore;
  openFeed(wake: () => void): Promise<OpenFeed>;
  /** Called once, when it is over. */
  onEnd(): void;
}

export interface EventStream {
  /** What it begins after. */
  start: EventPosition;
  content: ReadableStream<Uint8Array>;
}

const encoder = new TextEncoder();

/** A stream of events: NDJSON, or server-sent events with their ids. Nothing is read ahead of the reader's pull. */
export async function streamEvents(parts: FollowerParts, options: FollowOptions): Promise<EventStream> {
  let wake = () => {};
  const feed = await parts.openFeed(() => wake());
  const follower = new Follower(parts, options, feed, (act) => {
    wake = act;
  });
  const content = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const bytes = await follower.next();
        if (bytes) controller.enqueue(bytes);
        else controller.close();
      },
      cancel: () => follower.leave(),
    },
    { highWaterMark: 0 },
  );
  return { start: follower.start, content };
}

class Follower {
  readonly #parts: FollowerParts;
  readonly #options: FollowOptions;
  readonly #feed: OpenFeed;
  readonly #onWake: (act: () => void) => void;
  readonly #leave = () => this.leave();
  readonly start: EventPosition;
  #from: EventPosition;
  #isOver = false;
  #quietSinceMs: number;
  readonly #unwatchKey: () => void;

  constructor(
    parts: FollowerParts,
    options: FollowOptions,
    feed: OpenFeed,
    onWake: (act: () => void) => void,
  ) {
    this.#parts = parts;
    this.#options = options;
    this.#feed = feed;
    this.#onWake = onWake;
    this.start = options.after ?? feed.newest.end;
    this.#from = this.start;
    this.#quietSinceMs = parts.clock.steadyMs();
    this.#unwatchKey = options.watchKey(this.#leave);
    options.signal.addEventListener("abort", this.#leave, { once: true });
    if (options.signal.aborted) this.leave();
  }

  /** What goes out next; undefined: it is over. */
  async next(): Promise<Uint8Array | undefined> {
    const { clock } = this.#parts;
    try {
      while (!this.#isOver) {
        const bytes = this.#show(await this.#read()) ?? this.#keepAlive();
        if (bytes) {
          this.#quietSinceMs = clock.steadyMs();
          return bytes;
        }
      }
    } catch (error) {
      this.leave();
      throw error;
    }
    this.leave();
    return undefined;
  }

  leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.signal.removeEventListener("abort", this.#leave);
    this.#unwatchKey();
    this.#feed.close();
    this.#parts.onEnd();
    this.#wake();
  }

  #wake = () => {};

  async #read(): Promise<readonly FeedEvent[]> {
    const { from, end, events } = this.#feed.newest;
    if (comparePositions(this.#from, from) < 0) return await this.#readAlone();
    if (comparePositions(this.#from, end) >= 0) {
      await this.#waitForEvents();
      return [];
    }
    const after = this.#from;
    this.#from = end;
    const { runId, taskId, audience = "everybody" } = this.#options.filter;
    return events.filter(
      (event) =>
        comparePositions(event.position, after) > 0 &&
        isShownTo(event.audience, audience) &&
        (runId === undefined || event.runId === runId) &&
        (taskId === undefined || event.taskId === taskId),
    );
  }

  async #readAlone(): Promise<readonly FeedEvent[]> {
    const { store, semaphore } = this.#parts;
    const { namespaceId, keyId, filter } = this.#options;
    const found = await semaphore.run(keyId, async () =>
      this.#isOver ? undefined : await readEvents(store, namespaceId, this.#from, EVENTS_PER_LOOK, filter),
    );
    if (!found || this.#isOver) return [];
    this.#from = found.end;
    return found.events.map(toFeedEvent);
  }

  #show(events: readonly FeedEvent[]): Uint8Array | undefined {
    if (this.#isOver || events.length === 0) return undefined;
    return encoder.encode(events.map(FORMATS[this.#options.format].show).join(""));
  }

  #keepAlive(): Uint8Array | undefined {
    if (this.#isOver || this.#parts.clock.steadyMs() - this.#quietSinceMs < KEEP_ALIVE_MS) return undefined;
    return encoder.encode(FORMATS[this.#options.format].sign);
  }

  /** Until something comes, or a sign or a check is due. */
  async #waitForEvents(): Promise<void> {
    if (this.#isOver) return;
    const { clock } = this.#parts;
    const untilMs = this.#quietSinceMs + KEEP_ALIVE_MS;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    this.#onWake(resolve);
    const stay = clock.after(untilMs - clock.steadyMs(), resolve);
    await promise;
    stay();
  }
}
