/**
 * What one function's log has brought lately, shared by all who follow it. Bounded: of what everybody has
 * taken the newest batch is kept, of the rest a few, and all feeds together have a bound (`kept-batches.ts`). The next is
 * read when everybody has taken the oldest, or has had a while to.
 *
 * A seat (one follower's place) is: joined → behind (it took too long; what it missed is not here any more) or left.
 */
import { type LogLine, toWireLogLine } from "../../core/contracts/run.ts";
import { comparePositions } from "../../core/store/log-position.ts";
import type { FollowedLine, LogPosition } from "../../core/store/logs.ts";
import type { KeptBatches } from "./kept-batches.ts";

/** How soon it is looked again after lines came; twice as long after each look that found none, up to the second. */
const LOOK_SOON_MS = 25;
export const LOOK_EVERY_MS = 500;
const MAX_BATCHES = 4;
/** Of a batch, in bytes of JSON: what does not fit is read again. */
export const MAX_BATCH_CHARS = 262_144;
/** Who has not taken the oldest batch by then reads by himself. */
const PATIENCE_MS = 250;

/** What is shown of it is in `json` alone. */
export interface FeedLine extends Omit<FollowedLine, "message" | "fields"> {
  json: string;
}

export interface Batch {
  readonly lines: readonly FeedLine[];
  /** Of its last line. */
  readonly end: string;
  /** Whether its lines say what a filter by text looks through: they do from when somebody asks for it. */
  readonly isSearchable: boolean;
  /** Its lines formatted once, by format. */
  readonly formatted: Map<string, Uint8Array>;
}

interface KeptBatch extends Batch {
  /** Seats that have not taken it: no more than of the next one. */
  awaited: number;
  forget(): void;
}

/** The first lines, as many as fit into a batch; at least one where there is one. */
export function takeBatch<Line extends LogLine>(
  lines: readonly Line[],
): (Omit<Line, "message" | "fields"> & { json: string })[] {
  const taken: (Omit<Line, "message" | "fields"> & { json: string })[] = [];
  let chars = 0;
  for (const line of lines) {
    const json = JSON.stringify(toWireLogLine(line));
    chars += json.length;
    if (taken.length > 0 && chars > MAX_BATCH_CHARS) break;
    const { message: _message, fields: _fields, ...rest } = line;
    taken.push({ ...rest, json });
  }
  return taken;
}

export interface Seat {
  /** What it has not taken yet: a batch; undefined: it has all; `behind`: it is no seat any more. */
  take(): Batch | "behind" | undefined;
  leave(): void;
}

interface KeptSeat extends Seat {
  next: number;
  isBehind: boolean;
  wake(): void;
}

export class LogFeed {
  readonly functionId: string;
  /** Wakes the reader when it may go on. */
  readonly #kept: KeptBatches;
  readonly #onFree: () => void;
  readonly #seats = new Set<KeptSeat>();
  #batches: KeptBatch[] = [];
  /** The number of the oldest batch. */
  #first = 0;
  /** Where the oldest batch begins, and where the newest ends. */
  #start: string;
  #end: string;
  #nextLookMs = 0;
  #waitMs = LOOK_EVERY_MS;
  /** 0: it is not held. */
  #heldUntilMs = 0;
  #isClosed = false;
  /** Its followers, and those among them who look for text. */
  followers = 0;
  searchers = 0;

  constructor(functionId: string, start: string, kept: KeptBatches, onFree: () => void) {
    this.functionId = functionId;
    this.#kept = kept;
    this.#start = start;
    this.#end = start;
    this.#onFree = onFree;
  }

  get end(): string {
    return this.#end;
  }

  /** A seat for who has seen all up to here; undefined where he lacks more than is kept. */
  join(from: LogPosition, wake: () => void): Seat | undefined {
    if (comparePositions(from.position, this.#start) < 0) return undefined;
    const passed = this.#batches.filter(({ end }) => comparePositions(from.position, end) >= 0).length;
    const seat: KeptSeat = {
      ...{ next: this.#first + passed, isBehind: false, wake },
      take: () => this.#take(seat),
      leave: () => this.#leave(seat),
    };
    this.#seats.add(seat);
    for (const batch of this.#batches.slice(passed)) batch.awaited += 1;
    return seat;
  }

  /** When the reader is to look for this function again. */
  get dueAtMs(): number {
    return Math.max(this.#nextLookMs, this.#heldUntilMs);
  }

  /** What the reader found, at most so many lines. */
  receive(found: readonly FollowedLine[], limit: number, nowMs: number): void {
    if (this.#isClosed) return;
    if (found.length === 0) {
      // Nothing new for a while: who has not taken the rest by now is slow.
      if (this.#waitMs === LOOK_EVERY_MS) while (this.#batches.length > 0) this.#dropOldest();
      this.#nextLookMs = nowMs + this.#waitMs;
      this.#waitMs = Math.min(2 * this.#waitMs, LOOK_EVERY_MS);
      return;
    }
    this.#heldUntilMs = 0;
    if (this.#batches.length === MAX_BATCHES) this.#dropOldest();
    const lines = takeBatch(found);
    this.#keep(lines);
    const isAll = found.length < limit && lines.length === found.length;
    this.#waitMs = LOOK_SOON_MS;
    this.#nextLookMs = nowMs + (isAll ? LOOK_SOON_MS : 0);
    const isFull = this.#batches.length === MAX_BATCHES && this.#batches[0]!.awaited > 0;
    if (isFull) this.#heldUntilMs = nowMs + PATIENCE_MS;
    for (const { wake } of this.#seats) wake();
  }

  /** Nobody follows it any more. */
  close(): void {
    this.#isClosed = true;
    while (this.#batches.length > 0) this.#dropOldest();
  }

  #keep(lines: readonly FeedLine[]): void {
    this.#end = lines.at(-1)!.position;
    const batch: KeptBatch = {
      ...{ lines, end: this.#end, formatted: new Map(), awaited: this.#seats.size },
      ...{ isSearchable: lines[0]!.searched !== null, forget() {} },
    };
    this.#batches.push(batch);
    this.#dropTaken();
    const chars = lines.reduce((sum, { json }) => sum + json.length, 0);
    batch.forget = this.#kept.add(chars, () => this.#dropOldest());
  }

  /** Who has not taken it is behind. */
  #dropOldest(): void {
    for (const seat of this.#seats) {
      if (seat.next !== this.#first) continue;
      this.#remove(seat);
      seat.isBehind = true;
    }
    this.#shift();
    this.#settle();
  }

  /** All but the newest: whoever is about to join has most likely seen what was before. */
  #dropTaken(): void {
    while (this.#batches.length > 1 && this.#batches[0]!.awaited === 0) this.#shift();
  }

  #shift(): void {
    const oldest = this.#batches.shift()!;
    oldest.forget();
    this.#start = oldest.end;
    this.#first += 1;
  }

  #take(seat: KeptSeat): Batch | "behind" | undefined {
    if (seat.isBehind) return "behind";
    const batch = this.#batches[seat.next - this.#first];
    if (!batch) return undefined;
    seat.next += 1;
    batch.awaited -= 1;
    this.#settle();
    return batch;
  }

  #leave(seat: KeptSeat): void {
    if (!this.#seats.has(seat)) return;
    this.#remove(seat);
    this.#settle();
  }

  #remove(seat: KeptSeat): void {
    this.#seats.delete(seat);
    for (const batch of this.#batches.slice(seat.next - this.#first)) batch.awaited -= 1;
  }

  #settle(): void {
    this.#dropTaken();
    if (this.#heldUntilMs === 0 || this.#batches.length === MAX_BATCHES) return;
    this.#heldUntilMs = 0;
    this.#onFree();
  }
}
