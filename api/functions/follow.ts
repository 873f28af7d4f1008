/** Following a function's log: every complete line once, in the order of recording, until somebody leaves. */
import type { Clock } from "../../core/clock.ts";
import { toWireLogLine } from "../../core/contracts/run.ts";
import type { Db } from "../../core/store/database.ts";
import {
  currentLogPosition,
  type LogFilter,
  type LogPosition,
  readFunctionLogsAfter,
} from "../../core/store/logs.ts";

/** How soon it is looked again after lines came; twice as long after each look that found none, up to the second. */
const LOOK_SOON_MS = 25;
const LOOK_EVERY_MS = 500;
const LINES_PER_LOOK = 1_000;
/** A quiet stream says so, so that proxies keep it and a dead peer is noticed. */
const KEEP_ALIVE_MS = 15_000;
/** How often the reader's key is checked again. */
const CHECK_EVERY_MS = 30_000;

export type FollowFormat = "ndjson" | "sse";

export interface FollowOptions {
  functionId: string;
  /** Lines after this position. */
  after: LogPosition;
  filter?: LogFilter;
  format: FollowFormat;
  /** Asked every 30 s: the stream ends when the reader may not read any more. */
  isAllowed(): Promise<boolean>;
  clock: Clock;
  signal: AbortSignal;
}

/** A stream of lines: NDJSON, or server-sent events whose ids are positions. Back-pressure is the reader's pull. */
export function followFunctionLogs(
  db: Db,
  { functionId, after, filter = {}, format, isAllowed, clock, signal }: FollowOptions,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const left = new AbortController();
  const gone = AbortSignal.any([signal, left.signal]);
  const isFiltered = Object.values(filter).some((wanted) => wanted !== undefined);
  let from = after;
  let quietSinceMs = clock.now().getTime();
  let checkedAtMs = quietSinceMs;
  let waitMs = LOOK_EVERY_MS;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      while (!gone.aborted) {
        if (clock.now().getTime() - checkedAtMs >= CHECK_EVERY_MS) {
          if (!(await isAllowed())) break;
          checkedAtMs = clock.now().getTime();
        }
        const horizon = isFiltered ? await currentLogPosition(db) : undefined;
        const lines = await readFunctionLogsAfter(db, functionId, from, LINES_PER_LOOK, filter);
        if (lines.length > 0) {
          from = { ...from, position: lines.at(-1)!.position };
          quietSinceMs = clock.now().getTime();
          waitMs = LOOK_SOON_MS;
          const text = lines
            .map((line) => formatLine(JSON.stringify(toWireLogLine(line)), line.position, format))
            .join("");
          return controller.enqueue(encoder.encode(text));
        }
        // Nothing up to here was wanted: it is not looked through again.
        if (horizon) from = { ...from, position: horizon.position };
        await clock.sleep(waitMs, gone);
        waitMs = Math.min(2 * waitMs, LOOK_EVERY_MS);
        if (!gone.aborted && clock.now().getTime() - quietSinceMs >= KEEP_ALIVE_MS) {
          quietSinceMs = clock.now().getTime();
          return controller.enqueue(encoder.encode(format === "sse" ? ": still here\n\n" : "\n"));
        }
      }
      controller.close();
    },
    cancel() {
      left.abort();
    },
  });
}

function formatLine(json: string, position: string, format: FollowFormat): string {
  return format === "sse" ? `id: ${position}\ndata: ${json}\n\n` : `${json}\n`;
}
