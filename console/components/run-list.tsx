/** Runs as a table, wherever they are listed. */
import { Link } from "wouter-preact";
import type { Schemas } from "../../client/client.ts";
import { State } from "./state.tsx";
import { type Column, Table } from "./table.tsx";
import { Elapsed, Time } from "./time.tsx";

type Run = Schemas["Run"];

export const shortId = (id: string) => id.slice(-8);

const WAITS: Record<NonNullable<Run["waitingFor"]>, string> = {
  concurrency: "waits for other runs of its queue, function or namespace to end",
  rate: "waits for its queue's rate",
  paused: "its queue is paused",
  slot: "waits for a worker",
};

const REASONS: Record<NonNullable<Run["reason"]>, string> = {
  overlap: "the previous run was still active",
  missed: "its instant was missed",
  excluded: "excluded by the schedule",
  paused: "the task was paused",
  limit: "the namespace had reached its limit of runs for that day",
};

/** Why it is in this state, in a few words. */
export function explainRun(run: Run): string | undefined {
  if (run.state === "skipped" && run.reason) return REASONS[run.reason];
  if (run.error) return `${run.error.code}: ${run.error.message}`;
  if (run.waitingFor) return WAITS[run.waitingFor];
  if (run.nextAttemptAt) return "waits to be retried";
  return undefined;
}

export const COLUMNS: readonly Column<Run>[] = [
  {
    title: "Run",
    cell: (run) => (
      <>
        <Link href={`/runs/${run.id}`}>{run.function ?? `${run.type} run`}</Link>
        <span class="sub">{explainRun(run) ?? `${run.trigger} · …${shortId(run.id)}`}</span>
      </>
    ),
  },
  { title: "State", isTight: true, cell: (run) => <State of={run.state} /> },
  { title: "Due", isTight: true, cell: (run) => <Time at={run.scheduledFor} /> },
  { title: "Took", isTight: true, isRight: true, cell: (run) => took(run) },
  {
    title: "Attempts",
    isTight: true,
    isRight: true,
    cell: (run) => <span class="number">{run.attempt}</span>,
  },
];

const took = ({ startedAt, finishedAt }: Run) =>
  startedAt === null ? <span class="muted">not started</span> : <Elapsed from={startedAt} to={finishedAt} />;

export function RunList({ runs, more = [] }: { runs: readonly Run[]; more?: readonly Column<Run>[] }) {
  return <Table caption="Runs" columns={[...COLUMNS, ...more]} rows={runs} keyOf={({ id }) => id} />;
}
