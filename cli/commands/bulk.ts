/** `bulk`: the same to all that a filter finds, after a count and a question, with progress. */
import type { Command } from "commander";
import { type Schemas, unwrap } from "../../client/client.ts";
import { followBulk } from "../bulk-progress.ts";
import {
  type Arguments,
  addExamples,
  addGroup,
  collect,
  type GlobalOptions,
  withSession,
} from "../command.ts";
import { confirmOrFail, YES_OPTION } from "../confirming.ts";
import { usageFailure } from "../failure.ts";
import { collectPages, LIMIT_OPTION } from "../pages.ts";
import type { Cli, Session } from "../session.ts";
import { formatInstant } from "../terminal/time.ts";
import { splitPair } from "./deploy.ts";

interface Options extends GlobalOptions {
  filter?: string[];
  dryRun?: boolean;
  yes?: boolean;
}
type Resource = "tasks" | "runs";

const ACTIONS = {
  tasks: ["cancel", "pause", "resume", "run", "delete", "erase"],
  runs: ["cancel", "replay", "redrive", "discard"],
} as const;
/** Of filters, that may have several values. */
const REPEATED = new Set(["state", "label"]);

export function addBulk(program: Command, cli: Cli): void {
  const bulk = addGroup(program, "bulk", "one action on all tasks or runs that match a filter");
  for (const resource of ["tasks", "runs"] as const)
    addExamples(
      bulk
        .command(`${resource} <action>`)
        .description(
          `${ACTIONS[resource].join(", ")} all ${resource} that match; without a filter, all of them`,
        )
        .option("--filter <name=value>", `as in the list of ${resource}; may be repeated`, collect)
        .option("--dry-run", "count them, and change nothing")
        .option(...YES_OPTION)
        .action(
          withSession<Options>(cli, (session, [action], options) =>
            runBulk(session, action!, resource, toFilter(options.filter ?? []), options),
          ),
        ),
      resource === "runs"
        ? "bulk runs cancel --filter state=queued --filter function=hello --dry-run"
        : "bulk tasks pause --filter label=app=billing --yes",
    );
  addExamples(
    bulk
      .command("list")
      .description("list bulk actions, newest first")
      .option(...LIMIT_OPTION)
      .action(withSession<{ limit: number }>(cli, listBulk)),
    "bulk list",
  );
  addExamples(
    bulk
      .command("watch <action>")
      .description("follow a bulk action by its id until it has ended")
      .action(withSession<object>(cli, (session, [id]) => followBulk(session, id!))),
    "bulk watch 01a20a28-a81c-7294-862d-1a27e97c0d32",
  );
  addExamples(
    bulk
      .command("abort <action>")
      .description("stop a bulk action; what it has done stays done")
      .action(withSession<object>(cli, abortBulk)),
    "bulk abort 01a20a28-a81c-7294-862d-1a27e97c0d32",
  );
}

export async function runBulk(
  session: Session,
  action: string,
  resource: Resource,
  filter: object,
  options: Options,
): Promise<void> {
  const { client, out } = session;
  const asked = { action, resource, filter } as never as {
    action: "cancel";
    resource: "runs";
    filter: object;
  };
  const plan = await unwrap(client.POST("/v1/bulk", { body: { ...asked, dryRun: true } }));
  if (options.dryRun) return out.answer(plan, () => out.line(`${plan.matched} ${resource} match.`));
  if (plan.matched === 0) return out.answer(plan, () => out.line(`No ${resource} match.`));
  await confirmOrFail(session, `${action} ${plan.matched} ${resource}?`, options);
  const made = (await unwrap(client.POST("/v1/bulk", { body: asked }))) as Schemas["BulkAction"];
  await followBulk(session, made.id, plan.matched);
}

export function toFilter(pairs: readonly string[]): Record<string, string | string[]> {
  const filter: Record<string, string | string[]> = {};
  for (const pair of pairs) {
    const [name, value] = splitPair(pair, "--filter");
    if (Object.hasOwn(filter, name) && !REPEATED.has(name))
      throw usageFailure(`--filter ${name} is given twice, and takes one value.`);
    filter[name] = REPEATED.has(name) ? [...((filter[name] as string[] | undefined) ?? []), value] : value;
  }
  return filter;
}

async function listBulk({ client, out }: Session, _: Arguments, { limit }: { limit: number }): Promise<void> {
  const page = await collectPages(limit, (query) => unwrap(client.GET("/v1/bulk", { params: { query } })));
  out.answer(page, ({ items }) =>
    out.table(
      items,
      [
        { title: "ACTION", text: ({ id }) => id },
        { title: "WHAT", text: ({ action, resource }) => `${action} ${resource}` },
        { title: "STATE", text: ({ state }) => state },
        { title: "DONE", text: ({ done }) => done, align: "right" },
        { title: "FAILED", text: ({ failed }) => failed, align: "right" },
        { title: "BEGAN", text: ({ createdAt }) => formatInstant(createdAt) },
        { title: "FILTER", text: ({ filter }) => JSON.stringify(filter), shrinks: true },
      ] satisfies Parameters<typeof out.table<Schemas["BulkAction"]>>[1],
      "There was no bulk action.",
    ),
  );
}

async function abortBulk({ client, out }: Session, [id]: Arguments): Promise<void> {
  const bulk = await unwrap(client.POST("/v1/bulk/{id}/abort", { params: { path: { id: id! } } }));
  out.answer(bulk, () =>
    out.line(`${bulk.action} is ${bulk.state}: ${bulk.done} done, ${bulk.failed} failed.`),
  );
}
