/** A moment as a line of the time line. Pure. */
export interface Moment {
  elapsedMs: number;
  waiting: number;
  running: number;
  ended: number;
  /** Processes. */
  workers: number;
  /** null: not scraped yet. */
  prometheus: { waiting: number | null; running: number | null; workers: number | null };
}

const BAR = 30;
const COLUMNS = ["waiting", "running", "ended", "workers"];

export function describeLegend(): string {
  const columns = COLUMNS.map((name) => name.padStart(9)).join("");
  return `${" ".repeat(BAR + 8)}${columns}${" ".repeat(10)}Prometheus:  waiting  running  workers`;
}

/** @param total what a whole bar stands for */
export function describeMoment(moment: Moment, total: number): string {
  const { elapsedMs, waiting, running, ended, workers, prometheus } = moment;
  const length = waiting === 0 ? 0 : Math.max(1, Math.round((waiting / total) * BAR));
  const bar = "█".repeat(Math.min(length, BAR)).padEnd(BAR);
  const counts = [waiting, running, ended, workers].map((count) => String(count).padStart(9)).join("");
  const seen = [prometheus.waiting, prometheus.running, prometheus.workers]
    .map((value) => String(value ?? "–").padStart(9))
    .join("");
  const seconds = String(Math.round(elapsedMs / 1_000)).padStart(5);
  return `${seconds} s ${bar}${counts} ${"▪".repeat(workers).padEnd(20)}${seen}`;
}
