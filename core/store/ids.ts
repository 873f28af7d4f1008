import { randomFillSync } from "node:crypto";
import { v7 } from "uuid";

const RANDOM_BYTES = 16;
/** Made for many ids at once: asking the system for each costs more than the id. */
const pool = Buffer.alloc(256 * RANDOM_BYTES);
let poolAt = pool.length;
let lastMs = 0;
let seq = 0;

/** UUIDv7: sorts by creation, also within a millisecond, so lists need no other order. */
export function newId(): string {
  if (poolAt === pool.length) {
    randomFillSync(pool);
    poolAt = 0;
  }
  const random = pool.subarray(poolAt, poolAt + RANDOM_BYTES);
  poolAt += RANDOM_BYTES;
  const nowMs = Date.now();
  if (nowMs > lastMs) {
    lastMs = nowMs;
    // Room to count on within the millisecond.
    seq = random.readUInt32BE(0) >>> 1;
  } else seq += 1;
  return v7({ random, msecs: lastMs, seq });
}
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
export const isId = (text: string): boolean => UUID.test(text);

/** How far the clocks of the machines may stand apart. */
const CLOCK_SLACK_MS = 3_600_000;

/** When this UUIDv7 was made, by the clock of the machine that made it. */
export function madeAtOf(id: string): Date {
  return new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));
}

/** No UUIDv7 that is made at that instant or later comes before it. */
export function firstIdOf(at: Date): string {
  const time = Math.max(0, at.getTime()).toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`;
}

/** No later than anything that happened to the row of this UUIDv7, whichever machine's clock dated it. */
export function earliestTraceOf(id: string): Date {
  return new Date(madeAtOf(id).getTime() - CLOCK_SLACK_MS);
}
