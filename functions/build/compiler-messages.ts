/** What an API and its compiler's process say to each other. */
import type { LockedPackage } from "./packages/locked-packages.ts";

export interface CompileJob {
  files: [path: string, source: string][];
  entry: string;
  /** What is fetched and unpacked before. */
  packages?: LockedPackage[];
}

/** A longer script stays where it was made. */
export const MAX_BUNDLE_BYTES = 5_000_000;

export interface CompiledScript {
  /** CommonJS. */
  code: string;
  /** Source map v3 as JSON, its paths as esbuild sees them. */
  map: string;
  /** The names that the entry exports. */
  exports: string[];
  /** Whether the entry is a CommonJS module. */
  isCommonJs: boolean;
}

/** One of the first faults of a source. */
export interface SourceFault {
  text: string;
  /** Where: the file as esbuild names it; line and column count from 1, columns in characters. */
  place?: { file: string; line?: number; column?: number };
}

/** What a process that has fetched a job's packages waits for. */
export const BUILD_FETCHED = "build";

export type CompilerMessage =
  /** Takes jobs now, one at a time. The pid is esbuild's, where it can be seen. */
  | { t: "ready"; esbuildPid?: number }
  /** The job's packages are there. It is built once `BUILD_FETCHED` is said. */
  | { t: "fetched" }
  | { t: "built"; script: CompiledScript }
  | { t: "refused"; faults: SourceFault[]; count: number }
  /** The packages could not be fetched, whatever there is of them. */
  | { t: "unavailable"; why: string }
  /** The script, as short as it can be written. */
  | { t: "tooLarge"; bytes: number }
  /** esbuild ended in the middle: this process is of no use any more. */
  | { t: "broken" };
