/** The group `dead-letters`: runs that used up their attempts, kept until somebody decides. */
import type { Command } from "commander";
import { unwrap } from "../../client/client.ts";
import { type Arguments, addExamples, addGroup, withSession } from "../command.ts";
import { confirmOrFail, YES_OPTION } from "../confirming.ts";
import { usageFailure } from "../failure.ts";
import { collectPages, LIMIT_OPTION } from "../pages.ts";
import type { Cli, Session } from "../session.ts";
import { RUN_COLUMNS } from "../show-run.ts";
import { withoutGaps } from "../without-gaps.ts";
import { runBulk } from "./bulk.ts";

interface Options {
  task?: string;
  function?: string;
  error?: string;
  all?: boolean;
  yes?: boolean;
  limit: number;
}

export function addDeadLetters(program: Command, cli: Cli): void {
  const letters = addGroup(
    program,
    "dead-letters",
    "runs that used up their attempts, kept until you redrive or discard them",
  );
  const filtered = (command: Command) =>
    command
      .option("--task <task>", "of this task")
      .option("--function <function>", "of this function")
      .option("--error <code>", "that failed with this code");
  addExamples(
    filtered(letters.command("list", { isDefault: true }).description("list the dead letters, newest first"))
      .option(...LIMIT_OPTION)
      .action(withSession<Options>(cli, listDeadLetters)),
    "dead-letters list --function hello",
  );
  addExamples(
    filtered(letters.command("redrive [run]").description("redrive one, or all that match"))
      .option("--all", "all dead letters, or all that match")
      .option(...YES_OPTION)
      .action(withSession<Options>(cli, redrive)),
    "dead-letters redrive 01a20a28-a81c-7294-862d-1a27e97c0d32",
    "dead-letters redrive --all --function hello --yes",
  );
  addExamples(
    filtered(
      letters.command("discard [run]").description("discard one, or all that match: they become failed"),
    )
      .option("--all", "all dead letters, or all that match")
      .option(...YES_OPTION)
      .action(withSession<Options>(cli, discard)),
    "dead-letters discard 01a20a28-a81c-7294-862d-1a27e97c0d32",
  );
}

const toFilter = ({ task, function: fn, error }: Options) =>
  withoutGaps({ taskId: task, function: fn, errorCode: error });

async function listDeadLetters({ client, out }: Session, _: Arguments, options: Options): Promise<void> {
  const filter = toFilter(options);
  const page = await collectPages(options.limit, (query) =>
    unwrap(client.GET("/v1/dead-letters", { params: { query: { ...filter, ...query } } })),
  );
  out.answer(page, ({ items }) => out.table(items, RUN_COLUMNS(out.style), "There are no dead letters."));
}

async function redrive(session: Session, [runId]: Arguments, options: Options): Promise<void> {
  const { client, out } = session;
  if (isForAll(runId, options)) return await runBulk(session, "redrive", "runs", toFilter(options), options);
  const run = await unwrap(
    client.POST("/v1/dead-letters/{id}/redrive", { params: { path: { id: runId! } } }),
  );
  out.answer(run, () => {
    out.line(`${run.id} is ${run.state}.`);
    out.note(out.noteStyle.dim(`Follow it: bellhop runs watch ${run.id}`));
  });
}

async function discard(session: Session, [runId]: Arguments, options: Options): Promise<void> {
  const { client, out } = session;
  if (isForAll(runId, options)) return await runBulk(session, "discard", "runs", toFilter(options), options);
  await confirmOrFail(session, `Discard the dead letter ${runId}?`, options);
  await unwrap(client.DELETE("/v1/dead-letters/{id}", { params: { path: { id: runId! } } }));
  out.answer({ discarded: runId }, () => out.line(`${runId} is discarded.`));
}

function isForAll(runId: string | undefined, { all }: Options): boolean {
  if ((runId === undefined) === (all !== true)) throw usageFailure("Name a run, or give --all.");
  return all === true;
}
