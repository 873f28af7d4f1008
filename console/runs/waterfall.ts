/** A run as spans of time: its wait, its attempts, the pauses between them. Pure. */
import type { Schemas } from "../../client/client.ts";

type Run = Schemas["Run"];
type Attempt = Run["attempts"][number];

export interface Span {
  name: string;
  tone: "wait" | "good" | "bad" | "busy";
  from: number;
  to: number;
  detail?: string;
  /** Within the span before it: a request that an attempt sent. */
  level?: 1;
}

const RECORDED_MS = 50;

export function spansOf(run: Run, now: number): Span[] {
  const ms = (at: string | null) => (at === null ? undefined : Date.parse(at));
  const due = Date.parse(run.scheduledFor);
  const end = ms(run.finishedAt) ?? now;
  if (due > end) return [];
  const attempts = [...run.attempts].sort((a, b) => a.attempt - b.attempt);
  const spans: Span[] = [];
  let last = due;
  const wait = (until: number, name: string) => {
    if (until > last) spans.push({ name, tone: "wait", from: last, to: until });
  };
  for (const { attempt, startedAt, finishedAt, error, requests = [], moreRequests } of attempts) {
    const from = ms(startedAt) ?? last;
    wait(from, spans.length === 0 ? "Waited" : "Back-off");
    const to = Date.parse(finishedAt);
    const detail = error?.code;
    spans.push({
      name: `Attempt ${attempt}`,
      tone: error ? "bad" : "good",
      from,
      to,
      ...(detail && { detail }),
    });
    spans.push(...requestsOf(requests, from));
    if (moreRequests !== undefined)
      spans.push({ name: `and ${moreRequests} more requests`, tone: "wait", from: to, to, level: 1 });
    last = Math.max(last, to);
  }
  const started = ms(run.startedAt);
  const isOpen = run.finishedAt === null;
  const isListed = attempts.some(({ attempt }) => attempt === run.attempt);
  if (started !== undefined && !isListed && started >= last - 1 && (run.state === "running" || !isOpen)) {
    wait(started, spans.length === 0 ? "Waited" : "Back-off");
    const tone = run.state === "running" ? "busy" : run.state === "succeeded" ? "good" : "bad";
    spans.push({ name: `Attempt ${run.attempt}`, tone, from: started, to: end });
    last = end;
  }
  // What an end takes to be recorded is no wait.
  if (run.finishedAt !== null && spans.length > 0 && end - last < RECORDED_MS) return spans;
  wait(end, spans.length === 0 ? "Waited" : isOpen ? "Back-off" : "Until it was ended");
  return spans;
}

/** In the order in which they began. */
const requestsOf = (requests: NonNullable<Attempt["requests"]>, attemptFrom: number): Span[] =>
  requests
    .toSorted((a, b) => a.afterMs - b.afterMs)
    .map(({ method, host, status, error, afterMs, tookMs }) => ({
      name: `${method} ${host}`,
      tone: error !== undefined || (status !== undefined && status >= 400) ? "bad" : "good",
      ...{ from: attemptFrom + afterMs, to: attemptFrom + afterMs + tookMs, level: 1 },
      detail: [status, error].filter((each) => each !== undefined).join(", "),
    }));
