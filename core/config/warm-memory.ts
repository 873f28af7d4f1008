import { totalmem } from "node:os";

const MEGABYTE = 1_048_576;
const SHARE = 1 / 8;
const [LEAST_MB, MOST_MB] = [128, 1_024];

/** What a worker keeps warm where nobody says how much: an eighth of the memory it may use, from 128 to 1,024 MB. */
export function defaultWarmMemoryMb(
  machineBytes: number = totalmem(),
  containerBytes: number = process.constrainedMemory(),
): number {
  // 0, or more than there is: no container says how much.
  const usableBytes = containerBytes > 0 ? Math.min(machineBytes, containerBytes) : machineBytes;
  const mb = Math.floor((usableBytes * SHARE) / MEGABYTE);
  return Math.min(MOST_MB, Math.max(LEAST_MB, mb));
}
