import type { WarmMessage } from "../protocol/messages.ts";

/** A share that changes by less is left as it is. */
const LIMIT_STEP_BYTES = 1_048_576;

/** What stands warm in an executor, as it says. */
export type WarmReport = Pick<WarmMessage, "isolates" | "bytes" | "evicted">;

/** What the warm isolates of one executor hold and may hold. It may say what it likes, and gets no more than its share. */
export class WarmShare {
  report: WarmReport = { isolates: 0, bytes: 0, evicted: { memory: 0, idle: 0 } };
  /** What they may hold. */
  limitBytes = 0;
  /** The largest limit since the executor last kept its limit: one that has less now gives memory back when it can. */
  grantedBytes = 0;

  /** What counts as held by them: what it was never granted does not. */
  get countedBytes(): number {
    return Math.min(this.report.bytes, this.grantedBytes);
  }

  /** Answers whether the limit is another now, which the executor is to be told. */
  setLimit(bytes: number): boolean {
    const isSame = Math.abs(bytes - this.limitBytes) < LIMIT_STEP_BYTES && bytes > 0;
    if (isSame || bytes === this.limitBytes) return false;
    this.limitBytes = bytes;
    this.grantedBytes = Math.max(this.grantedBytes, bytes);
    return true;
  }

  setReport(report: WarmReport): void {
    this.report = report;
    if (report.bytes <= this.limitBytes) this.grantedBytes = this.limitBytes;
  }
}
