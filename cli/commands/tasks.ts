/** The group `tasks`: what there is to do with one task. */
import type { Command } from "commander";
import { type Schemas, unwrap } from "../../client/client.ts";
import { type Arguments, addExamples, addGroup, collect, withSession } from "../command.ts";
import { confirmOrFail, YES_OPTION } from "../confirming.ts";
import { readJsonInput } from "../json-input.ts";
import { LIMIT_OPTION, toWholeNumber } from "../pages.ts";
import type { Cli, Session } from "../session.ts";
import { type Created, showInstants, showTask } from "../show-task.ts";
import { shown } from "../shown.ts";
import { readTaskDefinition, type TaskOptions } from "../task-definition.ts";
import { addBackfill } from "./backfill.ts";
import { type ListOptions, listTasks } from "./list-tasks.ts";

const TASK = "/v1/tasks/{id}";
const at = (id: string | undefined) => ({ path: { id: id! } });

export function addTasks(program: Command, cli: Cli): void {
  const tasks = addGroup(
    program,
    "tasks",
    "tasks: what runs, and when; a task is named by its id or its key",
  );
  addList(tasks, cli);
  addExamples(
    tasks
      .command("get <task>")
      .description("show a task, its schedule in words and its next instants")
      .action(withSession<object>(cli, getTask)),
    "tasks get nightly",
  );
  addCreate(tasks, cli);
  addChanges(tasks, cli);
  addExamples(
    tasks
      .command("run <task>")
      .description("run a task now, in addition to its schedule")
      .option("--input <json>", "another input for this run (function), as JSON, @file or -")
      .option("--body <json>", "another body for this run (http)")
      .action(withSession<{ input?: string; body?: string }>(cli, runTask)),
    "tasks run nightly",
    'tasks run nightly --input \'{"day": "2026-11-28"}\'',
  );
  addExamples(
    tasks
      .command("next <task>")
      .description("show the next instants of a task")
      .option("-n, --limit <count>", "how many", (text) => toWholeNumber(text, 1, 100), 5)
      .action(withSession<{ limit: number }>(cli, showNext)),
    "tasks next nightly --limit 10",
  );
  addBackfill(tasks, cli);
}

function addList(tasks: Command, cli: Cli): void {
  addExamples(
    tasks
      .command("list")
      .description("list tasks, newest first, or those that match")
      .option("--state <state>", "active, paused, completed or cancelled; may be repeated", collect)
      .option("--type <type>", "http, email or function")
      .option("--label <name=value>", "with this label; may be repeated", collect)
      .option("--grep <text>", "with this text in their name")
      .option("--function <function>", "that call this function")
      .option("--queue <queue>", "whose runs are in this queue")
      .option(...LIMIT_OPTION)
      .action(withSession<ListOptions>(cli, listTasks)),
    "tasks list",
    "tasks list --state active --label app=billing --json",
  );
}

function addCreate(tasks: Command, cli: Cli): void {
  addExamples(
    tasks
      .command("create")
      .description("create a task: at once, or with a schedule")
      .option("--http <url>", "call this URL")
      .option("--function <function>", "call this function")
      .option("--email <address>", "send an e-mail there; may be repeated", collect)
      .option("--file <path>", "the definition, as JSON or YAML; options take precedence")
      .option("--cron <expression>", "when: a cron expression")
      .option("--every <duration>", "when: on an interval, such as 15m")
      .option("--at <instant>", "when: once, at an instant")
      .option("--delay <duration>", "when: once, after this delay")
      .option("--rrule <rule>", "when: by an iCalendar recurrence rule")
      .option("--timezone <zone>", "of the schedule, such as Europe/Rome")
      .option("--key <key>", "a name of your own")
      .option("--name <name>", "a name for people")
      .option("--input <json>", "for a function: its input, as JSON, @file or -")
      .option("--method <method>", "for http")
      .option("--header <line>", "for http, such as 'Accept: text/plain'; may be repeated", collect)
      .option("--body <json>", "for http, as JSON, @file or -")
      .option("--subject <text>", "for an e-mail")
      .option("--text <text>", "for an e-mail")
      .option("--label <name=value>", "may be repeated", collect)
      .option("--queue <queue>", "the queue of its runs")
      .option("--overlap <policy>", "skip, allow, wait or cancel-previous")
      .option("--catch-up <policy>", "for missed instants: latest, all or none")
      .option("--timeout <duration>", "of one attempt")
      .option("--max-attempts <count>", "how often a run is tried", (text) => toWholeNumber(text, 1, 100))
      .option("--dry-run", "show when the schedule fires, and create nothing")
      .action(withSession<TaskOptions & { dryRun?: boolean }>(cli, createTask)),
    "tasks create --key nightly --function hello --cron '30 2 * * *' --timezone Europe/Rome",
    "tasks create --http https://example.com/hook --method POST --body '{\"a\": 1}' --delay 10m",
    "tasks create --file task.yaml",
  );
}

function addChanges(tasks: Command, cli: Cli): void {
  const changes = [
    ["pause", "hold back its occurrences", "paused"],
    ["resume", "let it go on", "resumed"],
  ] as const;
  for (const [action, description, done] of changes)
    addExamples(
      tasks
        .command(`${action} <task>`)
        .description(description)
        .action(
          withSession<object>(cli, async ({ client, out }, [id]) => {
            const path = action === "pause" ? `${TASK}/pause` : `${TASK}/resume`;
            const task = await shown(client.POST(path as "/v1/tasks/{id}/pause", { params: at(id) }));
            out.answer(task, () =>
              out.line(`${nameOf(task)} is ${done}; next run ${task.nextRunAt ?? "none"}.`),
            );
          }),
        ),
      `tasks ${action} nightly`,
    );
  addExamples(
    tasks
      .command("cancel <task>")
      .description("end a task and its waiting runs, and ask its active ones to stop")
      .option(...YES_OPTION)
      .action(
        withSession<{ yes?: boolean }>(cli, async (session, [id], options) => {
          const { client, out } = session;
          await confirmOrFail(session, `Cancel the task ${id}?`, options);
          const task = await shown(client.POST("/v1/tasks/{id}/cancel", { params: at(id) }));
          out.answer(task, () => out.line(`${nameOf(task)} is cancelled.`));
        }),
      ),
    "tasks cancel nightly --yes",
  );
  addExamples(
    tasks
      .command("remove <task>")
      .description("cancel a task and remove it; its runs stay readable")
      .option(...YES_OPTION)
      .action(
        withSession<{ yes?: boolean }>(cli, async (session, [id], options) => {
          await confirmOrFail(session, `Remove the task ${id}?`, options);
          await unwrap(session.client.DELETE(TASK, { params: at(id) }));
          session.out.answer({ removed: id }, () => session.out.line(`${id} is removed.`));
        }),
      ),
    "tasks remove nightly --yes",
  );
}

const nameOf = ({ key, name, id }: Created) => key ?? name ?? id;

async function getTask({ client, out, now }: Session, [id]: Arguments): Promise<void> {
  const [task, next] = await Promise.all([
    unwrap(client.GET(TASK, { params: at(id) })),
    unwrap(client.GET("/v1/tasks/{id}/next", { params: { ...at(id), query: { count: 5 } } })),
  ]);
  const words = await describeSchedule(client, task);
  out.answer({ ...task, next: next.items }, () => showTask(out, task, words, next.items, now()));
}

async function createTask(
  session: Session,
  _: Arguments,
  options: TaskOptions & { dryRun?: boolean },
): Promise<void> {
  const { client, out, now } = session;
  const definition = await readTaskDefinition(session, options);
  if (options.dryRun) {
    const preview = await previewSchedule(client, definition["schedule"]);
    out.answer({ dryRun: true, definition, ...preview }, () => {
      out.line(preview === undefined ? "It runs once, at once." : preview.description);
      if (preview) showInstants(out, preview.items, now());
    });
    return;
  }
  const task = await shown(client.POST("/v1/tasks", { body: definition as never }));
  const words = await describeSchedule(client, task);
  out.answer(task, () => {
    out.line(out.style.green(`Task ${nameOf(task)} is ready.`));
    showTask(out, task, words, [], now());
    if ("runId" in task) out.note(out.noteStyle.dim(`It runs now: bellhop runs watch ${String(task.runId)}`));
  });
}

async function describeSchedule(
  client: Session["client"],
  { schedule }: Created,
): Promise<string | undefined> {
  return (await previewSchedule(client, schedule).catch(() => undefined))?.description;
}

async function previewSchedule(
  client: Session["client"],
  schedule: unknown,
): Promise<Schemas["SchedulePreview"] | undefined> {
  if (schedule == null) return undefined;
  const body = { schedule: schedule as never, count: 5 };
  return await unwrap(client.POST("/v1/schedules/preview", { body }));
}

async function runTask(
  session: Session,
  [id]: Arguments,
  given: { input?: string; body?: string },
): Promise<void> {
  const { client, out } = session;
  const body = {
    ...(given.input === undefined ? {} : { input: await readJsonInput(session, given.input, "input") }),
    ...(given.body === undefined ? {} : { body: await readJsonInput(session, given.body, "body") }),
  };
  const run = await unwrap(client.POST("/v1/tasks/{id}/run", { params: at(id), body: body as never }));
  out.answer(run, () => {
    out.line(run.id);
    out.note(out.noteStyle.dim(`Follow it: bellhop runs watch ${run.id}`));
  });
}

async function showNext(
  { client, out, now }: Session,
  [id]: Arguments,
  { limit }: { limit: number },
): Promise<void> {
  const next = await unwrap(
    client.GET("/v1/tasks/{id}/next", { params: { ...at(id), query: { count: limit } } }),
  );
  out.answer(next, ({ items }) => showInstants(out, items, now()));
}
