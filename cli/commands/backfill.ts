/** `tasks backfill`: runs for instants that have passed. */
import type { Command } from "commander";
import { type Schemas, unwrap } from "../../client/client.ts";
import { followBulk } from "../bulk-progress.ts";
import { type Arguments, addExamples, withSession } from "../command.ts";
import { confirmOrFail, YES_OPTION } from "../confirming.ts";
import { toWholeNumber } from "../pages.ts";
import type { Cli, Session } from "../session.ts";
import { withoutGaps } from "../without-gaps.ts";

interface Options {
  from: string;
  to: string;
  overlap?: "allow" | "wait";
  max?: number;
  dryRun?: boolean;
  yes?: boolean;
}

export function addBackfill(tasks: Command, cli: Cli): void {
  addExamples(
    tasks
      .command("backfill <task>")
      .description("create a run for each instant of the schedule in a past period")
      .requiredOption("--from <instant>", "from this instant on")
      .requiredOption("--to <instant>", "up to, but not including, this instant")
      .option("--overlap <policy>", "allow: all at once; wait: one after another")
      .option("--max <count>", "refuse more instants than this", (text) => toWholeNumber(text, 1, 10_000))
      .option("--dry-run", "count them, and create nothing")
      .option(...YES_OPTION)
      .action(withSession<Options>(cli, backfill)),
    "tasks backfill nightly --from 2026-11-01T00:00:00Z --to 2026-11-08T00:00:00Z --dry-run",
  );
}

async function backfill(session: Session, [id]: Arguments, options: Options): Promise<void> {
  const { client, out } = session;
  const { from, to, overlap, max } = options;
  const asked = { from, to, ...withoutGaps({ overlap, max }) };
  const params = { path: { id: id! } };
  const plan = await unwrap(
    client.POST("/v1/tasks/{id}/backfill", { params, body: { ...asked, dryRun: true } }),
  );
  if (options.dryRun) return out.answer(plan, () => out.line(`${plan.matched} runs would be made.`));
  await confirmOrFail(session, `Make ${plan.matched} runs of ${id}?`, options);
  const made = await unwrap(client.POST("/v1/tasks/{id}/backfill", { params, body: asked }));
  await followBulk(session, (made as Schemas["BulkAction"]).id);
}
