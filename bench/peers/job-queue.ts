/** How a library of job queues is driven: by its program in jobs/, a process that makes jobs and one that works on them. */

export interface JobQueue {
  addOne(due: Date): Promise<unknown>;
  addMany(count: number, due: Date): Promise<unknown>;
  /** Works on jobs as they are due; told how many begin at this moment. */
  work(onBegun: (count: number) => void): Promise<unknown>;
  /** Jobs that are not recorded as done, or stand there still where nothing is recorded of them. */
  countOpen(): Promise<number>;
  close(): Promise<unknown>;
}

/** `url`: of the server that the jobs are kept in. */
export type OpenJobQueue = (url: string) => Promise<JobQueue>;

/** What the process is asked for. */
export type JobRequest =
  | { ask: "work" }
  /** `batch` 0: each by itself. */
  | { ask: "create"; count: number; batch: number; inFlight: number; dueMs: number }
  /** Asked before they are due. */
  | { ask: "drain"; count: number; dueMs: number }
  /** Answered when no job is open. */
  | { ask: "settle" }
  | { ask: "countOpen" };

export interface DrainAnswer {
  firstBegunMs: number;
  lastRecordedMs: number;
  latenessMs: { p50: number; p99: number };
}

export interface JobAnswers {
  work: null;
  /** How long it took, in milliseconds. */
  create: number;
  drain: DrainAnswer;
  settle: null;
  countOpen: number;
}

export interface JobMessage {
  id: number;
  request: JobRequest;
}

export type JobReply = { id: number; answer: unknown } | { id: number; error: string } | { ready: true };

/** Where the process is told the server's address. */
export const URL_VARIABLE = "JOBS_URL";
