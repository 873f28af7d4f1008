/**
 * Log lines as they come, but for those of runs that this program has begun: they are shown with their run's end. A line
 * may come before its run's id is known, so while one begins all lines wait.
 */
import type { LogLine } from "../log-lines.ts";

export class OtherLines {
  readonly #show: (line: LogLine) => void;
  readonly #own = new Set<string>();
  #beginning = 0;
  #waiting: LogLine[] = [];

  constructor(show: (line: LogLine) => void) {
    this.#show = show;
  }

  add(line: LogLine): void {
    if (this.#beginning > 0) this.#waiting.push(line);
    else if (!this.#own.has(line.runId)) this.#show(line);
  }

  /** @param begin resolves with the run's id, where there is one */
  async begin(begin: () => Promise<string | undefined>): Promise<string | undefined> {
    this.#beginning += 1;
    try {
      const runId = await begin();
      if (runId !== undefined) this.#own.add(runId);
      return runId;
    } finally {
      this.#beginning -= 1;
      if (this.#beginning === 0) for (const line of this.#waiting.splice(0)) this.add(line);
    }
  }
}
