import { closeSync, openSync, readSync } from "node:fs";

const PAGE_BYTES = 4096;
const STATM_BYTES = 128;

/** Reads a process's resident memory; undefined where the system does not tell (only Linux does). */
export class ResidentMemory {
  readonly #buffer = Buffer.alloc(STATM_BYTES);
  #descriptor: number | undefined;

  constructor(pid: number) {
    if (process.platform !== "linux") return;
    try {
      this.#descriptor = openSync(`/proc/${pid}/statm`, "r");
    } catch {
      // The process is gone already.
    }
  }

  readBytes(): number | undefined {
    if (this.#descriptor === undefined) return undefined;
    try {
      const length = readSync(this.#descriptor, this.#buffer, 0, STATM_BYTES, 0);
      const pages = Number(this.#buffer.toString("latin1", 0, length).split(" ", 2)[1]);
      return Number.isFinite(pages) ? pages * PAGE_BYTES : undefined;
    } catch {
      return undefined;
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}
