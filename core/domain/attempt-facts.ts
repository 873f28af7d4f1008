/** What is recorded of a function's attempt besides its outcome: of its isolate, and of the requests it sent. */

export interface IsolateFacts {
  /** `cold`: it was loaded for this run; `warm`: it had served before. */
  start: "cold" | "warm";
  /** Of a cold one: how long the run waited for it to be booted and loaded. */
  loadMs?: number;
  /** How long the run kept a thread; of runs that went together, their mean. */
  cpuMs?: number;
  /** What it held after the run; told once a second at most. */
  heldBytes?: number;
}

/** No path and no query: they may hold secrets. */
export interface SubRequest {
  method: string;
  host: string;
  /** Where there was no answer. */
  status?: number;
  error?: string;
  tookMs: number;
}

export interface TimedSubRequest extends SubRequest {
  /** Since its attempt began. */
  afterMs: number;
}

/** Further ones are counted. */
export const MAX_RECORDED_REQUESTS = 20;

export interface AttemptFacts {
  isolate?: IsolateFacts;
  requests?: TimedSubRequest[];
  /** How many more there were. */
  moreRequests?: number;
}

/** Adds one that ended `nowMs` after its attempt began. */
export function addRequest(facts: AttemptFacts, request: SubRequest, nowMs: number): void {
  facts.requests ??= [];
  if (facts.requests.length < MAX_RECORDED_REQUESTS)
    facts.requests.push({ ...request, afterMs: Math.max(0, nowMs - request.tookMs) });
  else facts.moreRequests = (facts.moreRequests ?? 0) + 1;
}
