/**
 * Following a function's log: every complete line once, in the order of recording, until somebody leaves.
 *
 * A follower is behind (it reads by itself, from where it is), or has a seat at the feed that all share; slow ones lose
 * their seat, and catch up again.
 */
import type { Clock } from "../../core/clock.ts";
import type { Db } from "../../core/store/database.ts";
import { comparePositions, createAfterTest, isPast, laterPosition } from "../../core/store/log-position.ts";
import {
  currentLogPosition,
  type LogFilter,
  type LogPosition,
  readFunctionLogsAfter,
} from "../../core/store/logs.ts";
import type { KeyedSemaphore } from "./keyed-semaphore.ts";
import { type Batch, type FeedLine, LOOK_EVERY_MS, type Seat, takeBatch } from "./log-feed.ts";
import { LINES_PER_LOOK, type OpenFeed } from "./log-feeds.ts";
import { createLineTest, type TestedLine } from "./log-match.ts";

/** A quiet stream says so, so that proxies keep it and a dead peer is noticed. */
export const KEEP_ALIVE_MS = 15_000;

const FORMATS = {
  ndjson: { sign: "\n", show: ({ json }: Shown) => `${json}\n` },
  sse: {
    sign: ": still here\n\n",
    show: ({ json, position }: Shown) => `id: ${position}\ndata: ${json}\n\n`,
  },
};
type Shown = Pick<FeedLine, "json" | "position">;
export type FollowFormat = keyof typeof FORMATS;

export interface FollowOptions {
  functionId: string;
  keyId: string;
  /** Lines after this position. */
  after: LogPosition;
  filter: LogFilter;
  /** The filter's text in small letters, as the database makes them. */
  searchText: string | undefined;
  format: FollowFormat;
  /** Has the stream end when the reader may not read any more; what it answers is called at the stream's end. */
  watchKey(onInvalid: () => void): () => void;
  signal: AbortSignal;
}

export interface FollowerParts {
  db: Db;
  clock: Clock;
  open: OpenFeed;
  /** For what followers read by themselves. */
  semaphore: KeyedSemaphore;
  /** Called once, when it is over. */
  onEnd(): void;
}

const encoder = new TextEncoder();

/** A stream of lines: NDJSON, or server-sent events whose ids are positions. Nothing is read ahead of the reader's pull. */
export function streamFollower(parts: FollowerParts, options: FollowOptions): ReadableStream<Uint8Array> {
  const follower = new Follower(parts, options);
  return new ReadableStream<Uint8Array>(
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
}

class Follower {
  readonly #parts: FollowerParts;
  readonly #options: FollowOptions;
  readonly #isWanted: ((line: TestedLine) => boolean) | undefined;
  readonly #onAbort = () => this.leave();
  #from: LogPosition;
  #seat: Seat | undefined;
  /** The end of a batch that it can make nothing of: up to there it reads by itself, or it would be given it for ever. */
  #aloneUntil: string | undefined;
  #isOver = false;
  #quietSinceMs: number;
  readonly #unwatchKey: () => void;
  #wake = () => {};

  constructor(parts: FollowerParts, options: FollowOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#isWanted = createLineTest(options.filter, options.searchText);
    this.#from = options.after;
    this.#quietSinceMs = this.#nowMs();
    this.#unwatchKey = options.watchKey(this.#onAbort);
    options.signal.addEventListener("abort", this.#onAbort, { once: true });
    if (options.signal.aborted) this.leave();
  }

  /** What goes out next; undefined: it is over. */
  async next(): Promise<Uint8Array | undefined> {
    try {
      while (!this.#isOver) {
        const bytes = (await this.#read()) ?? this.#keepAlive();
        if (bytes) {
          this.#quietSinceMs = this.#nowMs();
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
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    this.#unwatchKey();
    this.#seat?.leave();
    this.#parts.open.close();
    this.#parts.onEnd();
    this.#wake();
  }

  #nowMs(): number {
    return this.#parts.clock.now().getTime();
  }

  /** Undefined where there was nothing for it yet. */
  async #read(): Promise<Uint8Array | undefined> {
    this.#seat ??= this.#join();
    if (!this.#seat) return await this.#readAlone();
    const bytes = this.#takeShared(this.#seat);
    if (!bytes && this.#seat) await this.#waitForLines();
    return bytes;
  }

  #join(): Seat | undefined {
    if (this.#aloneUntil !== undefined && comparePositions(this.#from.position, this.#aloneUntil) < 0)
      return undefined;
    this.#aloneUntil = undefined;
    return this.#parts.open.feed.join(this.#from, () => this.#wake());
  }

  #keepAlive(): Uint8Array | undefined {
    if (this.#isOver || this.#nowMs() - this.#quietSinceMs < KEEP_ALIVE_MS) return undefined;
    return encoder.encode(FORMATS[this.#options.format].sign);
  }

  /** Of the next batch that holds something wanted. */
  #takeShared(seat: Seat): Uint8Array | undefined {
    for (;;) {
      const batch = seat.take();
      if (batch === undefined) return undefined;
      const isBehind = batch === "behind";
      if (isBehind || (this.#options.searchText !== undefined && !batch.isSearchable)) {
        if (!isBehind) this.#aloneUntil = batch.end;
        seat.leave();
        this.#seat = undefined;
        return undefined;
      }
      const bytes = this.#showBatch(batch);
      this.#moveTo(batch.end);
      if (bytes) return bytes;
    }
  }

  #showBatch(batch: Batch): Uint8Array | undefined {
    const { format } = this.#options;
    const fresh = linesAfter(batch.lines, this.#from);
    if (fresh !== batch.lines || this.#isWanted)
      return this.#show(this.#isWanted ? fresh.filter(this.#isWanted) : fresh);
    const bytes = batch.formatted.get(format) ?? this.#show(fresh);
    if (bytes) batch.formatted.set(format, bytes);
    return bytes;
  }

  #show(lines: readonly Shown[]): Uint8Array | undefined {
    if (lines.length === 0) return undefined;
    return encoder.encode(lines.map(FORMATS[this.#options.format].show).join(""));
  }

  async #readAlone(): Promise<Uint8Array | undefined> {
    const { db, semaphore } = this.#parts;
    const { keyId, functionId, filter } = this.#options;
    const read = await semaphore.run(keyId, async () => {
      if (this.#isOver) return undefined;
      const horizon = await currentLogPosition(db);
      return {
        horizon,
        found: await readFunctionLogsAfter(db, functionId, this.#from, LINES_PER_LOOK, filter),
      };
    });
    if (!read || this.#isOver) return undefined;
    const { horizon, found } = read;
    const { position: before } = this.#from;
    const lines = takeBatch(found);
    const last = lines.at(-1)?.position ?? this.#from.position;
    // All that was complete before the look was there to be found.
    const sawAll = found.length < LINES_PER_LOOK && lines.length === found.length;
    this.#moveTo(last);
    if (sawAll) this.#moveTo(horizon.position);
    // A database that was put back, or stands still: whoever lacks something there does not ask without a pause.
    if (this.#from.position === before) await this.#wait(LOOK_EVERY_MS);
    return this.#show(lines);
  }

  /** Never back: who read by himself may be ahead of the feed. */
  #moveTo(reached: string): void {
    const position = laterPosition(this.#from.position, reached);
    this.#from = isPast(position, this.#from) ? { position } : { ...this.#from, position };
  }

  async #waitForLines(): Promise<void> {
    await this.#wait(this.#quietSinceMs + KEEP_ALIVE_MS - this.#nowMs());
  }

  /** Until it is woken, and no longer. */
  async #wait(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const stay = this.#parts.clock.after(ms, resolve);
    await promise;
    stay();
  }
}

/** The same list where all of them are. */
function linesAfter(lines: readonly FeedLine[], from: LogPosition): readonly FeedLine[] {
  if (from.snapshot === undefined && comparePositions(lines[0]!.position, from.position) > 0) return lines;
  const isAfter = createAfterTest(from);
  return lines.filter(({ position }) => isAfter(position));
}
