/** A bar for each run, oldest first: its height is how long it took, its colour how it ended; the wait stands on top. */
import { Link } from "wouter-preact";
import type { Schemas } from "../../client/client.ts";
import { formatDuration } from "../format/duration.ts";
import { toneOf } from "./state.tsx";

type Run = Schemas["Run"];

/** How long it waited, beyond its instant, and how long it took. */
export function timesOf(run: Run): { waitMs: number; runMs: number } {
  const due = Date.parse(run.scheduledFor);
  const started = run.startedAt === null ? undefined : Date.parse(run.startedAt);
  const ended = run.finishedAt === null ? Date.now() : Date.parse(run.finishedAt);
  const waitMs = Math.max(0, (started ?? ended) - due);
  return { waitMs, runMs: started === undefined ? 0 : Math.max(0, ended - started) };
}

export function RunBars({ runs }: { runs: readonly Run[] }) {
  const timed = [...runs].reverse().map((run) => ({ run, ...timesOf(run) }));
  // By the root: one run of an hour leaves something to be seen of those of a second.
  const longest = Math.sqrt(Math.max(1, ...timed.map(({ waitMs, runMs }) => waitMs + runMs)));
  const height = (ms: number, of: number) => `${of === 0 ? 0 : (Math.sqrt(of) / longest) * (ms / of) * 100}%`;
  return (
    <div class="section">
      <div class="bars">
        {timed.map(({ run, waitMs, runMs }) => (
          <Link
            key={run.id}
            href={`/runs/${run.id}`}
            title={`${run.state}, ${formatDuration(runMs)} after a wait of ${formatDuration(waitMs)}`}
            aria-label={`Run of ${run.scheduledFor}: ${run.state}, ${formatDuration(runMs)}`}
          >
            <i data-tone="wait" style={{ height: height(waitMs, waitMs + runMs) }} />
            <i data-tone={toneOf(run.state)} style={{ height: height(runMs, waitMs + runMs) }} />
          </Link>
        ))}
      </div>
      <div class="legend">
        {(
          [
            ["good", "succeeded"],
            ["bad", "failed"],
            ["warn", "skipped, expired"],
            ["busy", "under way"],
            ["wait", "waited"],
          ] as const
        ).map(([tone, text]) => (
          <span key={tone}>
            <span class="swatch" data-tone={tone} />
            {text}
          </span>
        ))}
      </div>
    </div>
  );
}
