import { readFileSync } from "node:fs";

/** Linux counts in hundredths of a second, whatever its kernel does inside. */
const MS_PER_TICK = 10;

/** The processor time that a process has used since its start; undefined where the system does not tell (only Linux does). */
export function readProcessorMs(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The program's name stands in parentheses and may hold anything.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    return Number.isFinite(ticks) ? ticks * MS_PER_TICK : undefined;
  } catch {
    return undefined;
  }
}
