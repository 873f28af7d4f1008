/** `logs`: what functions and runs have logged, also as it comes. */
import type { Command } from "commander";
import { unwrap } from "../../client/client.ts";
import { type Arguments, addExamples, withSession } from "../command.ts";
import { usageFailure } from "../failure.ts";
import { follow } from "../follow.ts";
import { formatLine, type LogLine } from "../log-lines.ts";
import { collectPages, LIMIT_OPTION } from "../pages.ts";
import type { Cli, Session } from "../session.ts";
import { withoutGaps } from "../without-gaps.ts";

interface Options {
  follow?: boolean;
  run?: string;
  level?: "debug" | "info" | "warn" | "error";
  since?: string;
  until?: string;
  grep?: string;
  revision?: string;
  limit: number;
}

export function addLogs(program: Command, cli: Cli): void {
  addExamples(
    program
      .command("logs [function]")
      .description("show the log of a function, or of one run; failures come with their stacks")
      .option("-f, --follow", "keep printing new lines")
      .option("--run <run>", "lines of one run")
      .option("--level <level>", "this level and above: debug, info, warn, error")
      .option("--since <time>", "since an instant, or a duration ago, such as 15m")
      .option("--until <time>", "before an instant")
      .option("--grep <text>", "lines with this text")
      .option("--revision <revision>", "lines of a revision, by its number or id")
      .option(...LIMIT_OPTION)
      .action(withSession<Options>(cli, showLogs)),
    "logs hello",
    "logs hello -f --level warn",
    "logs --run 01a20a28-a81c-7294-862d-1a27e97c0d32",
  );
}

async function showLogs(session: Session, [name]: Arguments, options: Options): Promise<void> {
  if (name === undefined && options.run === undefined)
    throw usageFailure("Name a function, or pass --run.", "bellhop functions list shows the functions.");
  if (name === undefined) {
    if (options.follow)
      throw usageFailure("You can follow only a function's log.", "bellhop runs watch follows a run.");
    return await showRunLogs(session, options);
  }
  if (options.follow) return await followLogs(session, name, options);
  const { level, since, until, grep, revision, run, limit } = options;
  const query = withoutGaps({ level, since, until, q: grep, revision, run });
  const path = { name };
  const { items } = await collectPages(limit, (page) =>
    unwrap(
      session.client.GET("/v1/functions/{name}/logs", { params: { path, query: { ...query, ...page } } }),
    ),
  );
  showAll(session, items.reverse());
}

async function showRunLogs(session: Session, { run, level, grep, limit }: Options): Promise<void> {
  const query = withoutGaps({ level, q: grep });
  const { items } = await collectPages(limit, (page) =>
    unwrap(
      session.client.GET("/v1/runs/{id}/logs", {
        params: { path: { id: run! }, query: { ...query, ...page } },
      }),
    ),
  );
  showAll(session, items);
}

/** Oldest first, as they come when they are followed. */
function showAll({ out }: Session, lines: readonly LogLine[]): void {
  if (lines.length === 0 && !out.json) out.note(out.noteStyle.dim("No line matches."));
  for (const line of lines) showLine(out, line);
}

function showLine(out: Session["out"], line: LogLine): void {
  out.item(line, () => {
    for (const text of formatLine(line, out.style)) out.line(text);
  });
}

async function followLogs(session: Session, name: string, options: Options): Promise<void> {
  const { level, since, until, grep, revision, run } = options;
  if (until !== undefined) throw usageFailure("--until and --follow exclude each other.");
  const { out } = session;
  await follow(session, {
    path: `/v1/functions/${encodeURIComponent(name)}/logs`,
    query: new URLSearchParams(
      withoutGaps({ level, since, q: grep, revision, run }) as Record<string, string>,
    ),
    onOpen: () => out.note(out.noteStyle.dim(`Following the log of ${name}. Ctrl-C stops.`)),
    onItem: (line) => showLine(out, line as unknown as LogLine),
    onBreak: () => out.note(out.noteStyle.dim("The stream broke off; reconnecting.")),
  });
}
