import type { Command } from "commander";
import { unwrap } from "../../client/client.ts";
import { type Arguments, addExamples, withSession } from "../command.ts";
import { collectPages, LIMIT_OPTION } from "../pages.ts";
import type { Cli, Session } from "../session.ts";
import { formatFromNow, formatInstant } from "../terminal/time.ts";

interface Options {
  within: string;
  limit: number;
}

export function addUpcoming(program: Command, cli: Cli): void {
  addExamples(
    program
      .command("upcoming")
      .description("show the next instants of all tasks, in order")
      .option("--within <duration>", "how far ahead", "24h")
      .option(...LIMIT_OPTION)
      .action(withSession<Options>(cli, showUpcoming)),
    "upcoming --within 2h",
  );
}

async function showUpcoming(
  { client, out, now }: Session,
  _: Arguments,
  { within, limit }: Options,
): Promise<void> {
  const page = await collectPages(limit, (query) =>
    unwrap(client.GET("/v1/upcoming", { params: { query: { within, ...query } } })),
  );
  out.answer(page, ({ items }) =>
    out.table(
      items,
      [
        { title: "AT", text: ({ effectiveAt }) => formatInstant(effectiveAt) },
        { title: "", text: ({ effectiveAt }) => formatFromNow(effectiveAt, now()) },
        { title: "TASK", text: ({ taskId }) => taskId },
        { title: "NAME", text: ({ name }) => name, shrinks: true },
      ],
      `Nothing fires within ${within}.`,
    ),
  );
}
