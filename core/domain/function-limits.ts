/** What one run of a function may use. The author lowers these on the upload, the operator caps them. */
export interface FunctionLimits {
  /** Of the isolate's heap and buffers. */
  memoryMb: number;
  /** Processor time on all threads that work for the run. */
  cpuMs: number;
  /** From the start in the isolate; the attempt's own timeout may be shorter. */
  wallMs: number;
  /** Runs of the function at once, over all workers; null: as many as come. */
  concurrency: number | null;
  logLines: number;
  /** Of the result as JSON. */
  resultBytes: number;
  /** Requests by `fetch`, redirects included. */
  subrequests: number;
}

/** Where the author says nothing. */
export const DEFAULT_FUNCTION_LIMITS: FunctionLimits = {
  memoryMb: 128,
  cpuMs: 30_000,
  wallMs: 900_000,
  concurrency: null,
  logLines: 1_000,
  resultBytes: 1_000_000,
  subrequests: 100,
};

/** The least that makes sense. */
export const MIN_FUNCTION_LIMITS: Readonly<Record<keyof FunctionLimits, number>> = {
  memoryMb: 16,
  cpuMs: 1,
  wallMs: 1,
  concurrency: 1,
  logLines: 0,
  resultBytes: 2,
  subrequests: 0,
};

/** What an author asked for on the upload; where nothing is said the default holds. */
export type AskedLimits = { readonly [Name in keyof FunctionLimits]?: number };

/** The most an author may ask for, by the operator's word. */
export type FunctionLimitCaps = Readonly<Record<keyof FunctionLimits, number>>;

/**
 * What holds for a run: what was asked, else the default, never more than the cap. `concurrency` is as asked: claims
 * hold it, which know the revision alone; its cap is for the upload.
 */
export function effectiveLimits(asked: AskedLimits, caps: FunctionLimitCaps): FunctionLimits {
  const capped = (name: Exclude<keyof FunctionLimits, "concurrency">) =>
    Math.min(asked[name] ?? DEFAULT_FUNCTION_LIMITS[name], caps[name]);
  return {
    memoryMb: capped("memoryMb"),
    cpuMs: capped("cpuMs"),
    wallMs: capped("wallMs"),
    concurrency: asked.concurrency ?? DEFAULT_FUNCTION_LIMITS.concurrency,
    logLines: capped("logLines"),
    resultBytes: capped("resultBytes"),
    subrequests: capped("subrequests"),
  };
}
