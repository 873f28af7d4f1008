/** What the API counts. */
import { STATUS_CODES } from "node:http";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { CutReason } from "../../contracts/call-stream.ts";
import { OTHER } from "./bounded-label.ts";
import { DURATION_SECONDS } from "./buckets.ts";
import { createKnownCounter, listAll, seriesOf } from "./known-counter.ts";
import { createRunEndMetrics } from "./run-ends.ts";

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

export interface AnsweredRequest {
  method: string;
  /** As it is written in the code, `/v1/runs/:id`; never a path that somebody asked for. */
  route: string;
  status: number;
  durationMs: number;
}

export function createApiMetrics(registry: Registry) {
  const registers = [registry];
  let countWaiting = () => 0;
  const requests = new Counter({
    name: "bellhop_api_requests_total",
    help: "Requests by method and status. Functions choose their statuses; those that have no name are `other`.",
    labelNames: ["method", "status"] as const,
    registers,
  });
  const requestSeconds = new Histogram({
    name: "bellhop_api_request_duration_seconds",
    help: "Duration of a request until its response begins, by route and class of status.",
    labelNames: ["method", "route", "status"] as const,
    buckets: DURATION_SECONDS,
    registers,
  });
  const calls = createKnownCounter(
    {
      name: "bellhop_calls_total",
      help: "Calls of functions whose callers wait: handed to a worker, queued since none took them, refused since all were busy, or lost with their worker.",
      registers,
    },
    seriesOf("outcome", ["handed_over", "queued", "refused", "lost"]),
  );
  const cutOff = createKnownCounter(
    {
      name: "bellhop_callers_cut_off_total",
      help: "Callers that were cut off: they sent their request's body too slowly, or did not take their response.",
      registers,
    },
    seriesOf("reason", listAll<CutReason>({ request_body_too_slow: true, response_not_taken: true })),
  );
  const enqueued = createKnownCounter(
    {
      name: "bellhop_enqueued_total",
      help: "Tasks that applications enqueued or cancelled in transactions of their own, by what became of them.",
      registers,
    },
    seriesOf("outcome", ["made", "cancelled", "refused"]),
  );
  const completions = createKnownCounter(
    {
      name: "bellhop_completions_total",
      help: "Calls that complete attempts of http tasks later: with a result, a failure or a heartbeat, or after the attempt was over.",
      registers,
    },
    seriesOf("outcome", ["result", "failure", "heartbeat", "over"]),
  );
  let countInLine = () => 0;
  new Gauge({
    name: "bellhop_callers_in_line",
    help: "Callers of functions' URLs that wait in the API for a worker with room.",
    registers,
    collect() {
      this.set(countInLine());
    },
  });
  new Gauge({
    name: "bellhop_waiting_callers",
    help: "Callers that wait for a run in the queue.",
    registers,
    collect() {
      this.set(countWaiting());
    },
  });
  return {
    calls,
    cutOff,
    enqueued,
    completions,
    ...createRunEndMetrics(registry),
    count({ method: asked, route, status, durationMs }: AnsweredRequest): void {
      const method = METHODS.has(asked) ? asked : OTHER;
      requests.inc({ method, status: status in STATUS_CODES ? status : OTHER });
      requestSeconds.observe({ method, route, status: `${Math.floor(status / 100)}xx` }, durationMs / 1_000);
    },
    watch(waiting: () => number, inLine: () => number): void {
      countWaiting = waiting;
      countInLine = inLine;
    },
  };
}

export type ApiMetrics = ReturnType<typeof createApiMetrics>;
