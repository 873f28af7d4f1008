/** The group `runs`: what became of tasks and calls. */
import type { Command } from "commander";
import { type Schemas, unwrap } from "../../client/client.ts";
import { type Arguments, addExamples, addGroup, collect, withSession } from "../command.ts";
import { readJsonInput } from "../json-input.ts";
import { collectPages, LIMIT_OPTION } from "../pages.ts";
import type { Cli, Session } from "../session.ts";
import { RUN_COLUMNS, showRun } from "../show-run.ts";
import { withoutGaps } from "../without-gaps.ts";
import { watchRun } from "./watch-run.ts";

type State = Schemas["Run"]["state"];
interface ListOptions {
  state?: State[];
  task?: string;
  function?: string;
  queue?: string;
  trigger?: Schemas["Run"]["trigger"];
  error?: string;
  from?: string;
  to?: string;
  limit: number;
}
interface ReplayOptions {
  input?: string;
  revision?: "same" | "current";
  watch?: boolean;
}

export function addRuns(program: Command, cli: Cli): void {
  const runs = addGroup(program, "runs", "runs of tasks and calls, with their results");
  addExamples(
    runs
      .command("list")
      .description("list runs, newest first, or those that match")
      .option("--state <state>", "such as running, failed or dead; may be repeated", collect)
      .option("--task <task>", "of this task, by its id or key")
      .option("--function <function>", "of this function")
      .option("--queue <queue>", "in this queue")
      .option("--trigger <trigger>", "schedule, manual, invoke, http, hook, callback or backfill")
      .option("--error <code>", "that failed with this code")
      .option("--from <instant>", "recorded at this instant or later")
      .option("--to <instant>", "recorded before this instant")
      .option(...LIMIT_OPTION)
      .action(withSession<ListOptions>(cli, listRuns)),
    "runs list --state failed --state dead",
    "runs list --task nightly --limit 5 --json",
  );
  addExamples(
    runs
      .command("get <run>")
      .description("show a run: its times, attempts, result, error and log")
      .action(withSession<object>(cli, getRun)),
    "runs get 01a20a28-a81c-7294-862d-1a27e97c0d32",
  );
  addExamples(
    runs
      .command("watch <run>")
      .description("follow a run until it has ended; the exit code says how it ended")
      .action(withSession<object>(cli, (session, [id]) => watchRun(session, id!))),
    "runs watch 01a20a28-a81c-7294-862d-1a27e97c0d32",
  );
  addExamples(
    runs
      .command("replay <run>")
      .description("create a new run from one that has ended")
      .option("--input <json>", "another input, as JSON, @file or -")
      .option("--revision <which>", "same or current; default: current")
      .option("--watch", "follow the new run until it has ended")
      .action(withSession<ReplayOptions>(cli, replayRun)),
    "runs replay 01a20a28-a81c-7294-862d-1a27e97c0d32 --watch",
  );
  addExamples(
    runs
      .command("cancel <run>")
      .description("end a waiting run, or ask an active one to stop")
      .action(withSession<object>(cli, cancelRun)),
    "runs cancel 01a20a28-a81c-7294-862d-1a27e97c0d32",
  );
}

async function listRuns({ client, out }: Session, _: Arguments, options: ListOptions): Promise<void> {
  const { state, task, function: fn, queue, trigger, error, from, to, limit } = options;
  const filter = withoutGaps({
    state,
    taskId: task,
    function: fn,
    queue,
    trigger,
    errorCode: error,
    from,
    to,
  });
  const page = await collectPages(limit, (query) =>
    unwrap(client.GET("/v1/runs", { params: { query: { ...filter, ...query } } })),
  );
  out.answer(page, ({ items }) => out.table(items, RUN_COLUMNS(out.style), "No run matches."));
}

async function getRun({ client, out }: Session, [id]: Arguments): Promise<void> {
  const params = { path: { id: id! } };
  const [run, logs] = await Promise.all([
    unwrap(client.GET("/v1/runs/{id}", { params })),
    unwrap(client.GET("/v1/runs/{id}/logs", { params })),
  ]);
  out.answer({ ...run, logs: logs.items }, () => showRun(out, run, logs.items));
}

async function replayRun(session: Session, [id]: Arguments, options: ReplayOptions): Promise<void> {
  const { client, out } = session;
  const { input, revision, watch } = options;
  const body = {
    ...(input === undefined ? {} : { input: await readJsonInput(session, input, "input") }),
    ...withoutGaps({ revision }),
  };
  const run = await unwrap(
    client.POST("/v1/runs/{id}/replay", { params: { path: { id: id! } }, body: body as never }),
  );
  if (watch) return await watchRun(session, run.id);
  out.answer(run, () => {
    out.line(run.id);
    out.note(out.noteStyle.dim(`Follow it: bellhop runs watch ${run.id}`));
  });
}

async function cancelRun({ client, out }: Session, [id]: Arguments): Promise<void> {
  const run = await unwrap(client.POST("/v1/runs/{id}/cancel", { params: { path: { id: id! } } }));
  out.answer(run, () =>
    out.line(
      run.state === "cancelled"
        ? `${run.id} is cancelled.`
        : `${run.id} was asked to stop; it is ${run.state}.`,
    ),
  );
}
