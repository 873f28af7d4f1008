/** A run that is ready at an instant, as it is rung. */
export interface StagedRun {
  runId: string;
  availableAt: Date;
  /** What made the run (W3C); null or left out: it was not traced. */
  traceparent?: string | null | undefined;
}

/** The `StagedRun` that a statement returns of its run `r`. */
export const STAGED = `r.id AS "runId", r.available_at AS "availableAt", r.traceparent`;
