/** `runs watch`: a run from state to state until it has ended. */
import { unwrap } from "../../client/client.ts";
import { Failure } from "../failure.ts";
import { pause } from "../interrupt.ts";
import { formatLine } from "../log-lines.ts";
import type { Session } from "../session.ts";
import { describeRunError } from "../show-error.ts";
import { hasEnded, paintState, type Run } from "../show-run.ts";
import { LiveLine } from "../terminal/live-line.ts";
import { formatDuration, formatTime } from "../terminal/time.ts";

const FIRST_LOOK_MS = 100;
const LONGEST_LOOK_MS = 1000;

export async function watchRun(session: Session, id: string): Promise<void> {
  const { client, out, signal } = session;
  const live = new LiveLine(session.asking.stderr, out.json);
  let seen = "";
  try {
    for (let wait = FIRST_LOOK_MS; ; wait = Math.min(LONGEST_LOOK_MS, wait * 1.5)) {
      const run = await unwrap(client.GET("/v1/runs/{id}", { params: { path: { id } } }));
      const step = [run.state, run.attempts.length, run.waitingFor].join();
      if (step !== seen) {
        live.clear();
        showStep(session, run);
        wait = FIRST_LOOK_MS;
      }
      seen = step;
      if (hasEnded(run)) return await showEnd(session, run);
      live.show(describeWait(run, session.now()));
      await pause(wait, signal);
    }
  } finally {
    live.clear();
  }
}

function showStep({ out }: Session, run: Run): void {
  out.item(
    {
      id: run.id,
      state: run.state,
      attempt: run.attempt,
      waitingFor: run.waitingFor ?? null,
      error: run.error,
    },
    () => {
      const at =
        run.finishedAt ??
        run.attempts.at(-1)?.finishedAt ??
        run.startedAt ??
        run.queuedAt ??
        run.scheduledFor;
      const what =
        run.state === "scheduled" && run.attempts.length > 0 ? "waits to be tried again" : run.state;
      const why = run.waitingFor === undefined ? "" : ` (waits for ${run.waitingFor})`;
      out.line(`${out.style.dim(formatTime(at))} ${paintState(run.state, out.style)(what)}${why}`);
      const failed = run.attempts.at(-1)?.error;
      if (failed && !hasEnded(run)) out.line(`  attempt ${run.attempts.length} failed: ${failed.code}`);
    },
  );
}

function describeWait(run: Run, now: number): string {
  if (run.state === "running" && run.startedAt)
    return `running for ${formatDuration(now - Date.parse(run.startedAt))}`;
  if (run.nextAttemptAt) return `next attempt in ${formatDuration(Date.parse(run.nextAttemptAt) - now)}`;
  const ahead = Date.parse(run.scheduledFor) - now;
  return ahead > 0 ? `due in ${formatDuration(ahead)}` : `waiting for ${formatDuration(-ahead)}`;
}

async function showEnd({ client, out, target }: Session, run: Run): Promise<void> {
  if (!out.json) {
    const { items } = await unwrap(client.GET("/v1/runs/{id}/logs", { params: { path: { id: run.id } } }));
    for (const line of items) for (const text of formatLine(line, out.style)) out.line(text);
    if (run.error) for (const line of describeRunError(run.error, out.style)) out.line(line);
    else if (run.result != null) out.value(run.result);
  }
  if (run.state === "succeeded") return;
  const hint = run.state === "dead" ? `bellhop dead-letters redrive ${run.id} tries it again.` : undefined;
  const help = run.error ? `${target.url}/docs/errors#${run.error.code}` : undefined;
  throw new Failure(`The run is ${run.state}.`, { code: run.error?.code ?? run.state, hint, help });
}
