/** A namespace with something of everything, so that each view has something to show. */

import type { ApiClient } from "../system/cluster.ts";
import { eventually, type Listed, type WireRun } from "../system/runs.ts";

const GREET = `import type { Context } from "bellhop";

interface Input {
  name?: string;
}

/** Reads its input, writes a log line, answers. */
export default async function greet(input: Input, ctx: Context) {
  const name = input?.name ?? "world";
  ctx.log.info("greeting", { name, attempt: ctx.attempt });
  return { hello: name };
}
`;

const REPORT = `import type { Context } from "bellhop";

interface Row {
  customer: string;
  total: number;
}

function addUp(rows: Row[]): number {
  const first = rows[0];
  if (!first) throw new Error("there is nothing to add up");
  return rows.reduce((sum, row) => sum + row.total, 0);
}

export default async function report(input: { rows: Row[] }, ctx: Context) {
  ctx.log.info("adding up", { rows: input.rows.length });
  return { total: addUp(input.rows) };
}
`;

export interface Filled {
  taskId: string;
  failingTaskId: string;
  succeededRunId: string;
  deadRunId: string;
  bulkId: string;
  emailId: string;
}

export async function fillConsole({ call }: ApiClient): Promise<Filled> {
  await call("PUT", "/v1/secrets/CRM_TOKEN", { value: "nobody sees this" });
  await call("PUT", "/v1/queues/mail", { concurrency: 5, rate: { limit: 100, per: "1m", burst: null } });
  await call("PUT", "/v1/functions/greet", { files: { "greet.ts": GREET.replace("greeting", "hello") } });
  await call("PUT", "/v1/functions/greet", { files: { "greet.ts": GREET }, env: { GREETING: "hello" } });
  await call("PUT", "/v1/functions/report", { files: { "report.ts": REPORT } });
  await call("PUT", "/v1/functions/greet/traffic", { 1: 10, 2: 90 });
  await call("POST", "/v1/keys", { name: "ci", scopes: ["read", "deploy"], functions: ["greet"] });
  const make = (body: object) => call<{ id: string; runId?: string }>("POST", "/v1/tasks", body);
  const task = await make({
    ...{ type: "function", name: "greet the world", function: "greet", input: { name: "world" } },
    ...{ schedule: { every: "1s" }, labels: { team: "hello" } },
  });
  await make({
    ...{ type: "http", name: "nightly report", method: "POST", url: "https://example.com/reports" },
    schedule: { cron: "30 2 * * *", timezone: "Europe/Rome" },
  });
  await make({
    ...{
      type: "http",
      name: "weekly invoices",
      method: "POST",
      url: "https://example.com/invoices",
      queue: "mail",
    },
    schedule: { cron: "0 9 * * 1", timezone: "Europe/Berlin" },
  });
  const retry = { maxAttempts: 2, backoff: { initial: "200ms", max: "200ms", jitter: false } };
  const failing = await make({
    ...{ type: "function", name: "monthly totals", function: "report", input: { rows: [] }, retry },
  });
  await make({
    ...{ type: "email", name: "welcome", to: ["ada@example.com"], from: "hello@example.com" },
    ...{
      subject: "Welcome aboard",
      body: "Good to have you.",
      html: "<h1>Welcome aboard</h1><p>Good to have you.</p>",
    },
  });
  const list = async (path: string) => (await call<Listed<WireRun>>("GET", path)).items;
  const [dead] = await eventually(
    "a dead letter",
    () => list("/v1/dead-letters"),
    (runs) => runs.length > 0,
  );
  const succeeded = await eventually(
    "six runs of the schedule",
    () => list(`/v1/tasks/${task.id}/runs?state=succeeded`),
    (runs) => runs.length >= 6,
  );
  const [email] = await eventually(
    "an e-mail",
    async () => (await call<Listed<{ id: string }>>("GET", "/v1/mailbox")).items,
    (emails) => emails.length > 0,
  );
  await eventually(
    "a grouped error",
    async () => (await call<Listed<object>>("GET", "/v1/errors")).items,
    (groups) => groups.length > 0,
  );
  await call("POST", `/v1/tasks/${task.id}/pause`);
  const bulk = await call<{ id: string }>("POST", "/v1/bulk", {
    ...{ resource: "tasks", action: "resume", filter: { name: "greet the world" } },
  });
  await eventually(
    "the end of the bulk action",
    () => call<{ state: string }>("GET", `/v1/bulk/${bulk.id}`),
    ({ state }) => state === "succeeded",
  );
  return {
    ...{ taskId: task.id, failingTaskId: failing.id, bulkId: bulk.id, emailId: email!.id },
    ...{ succeededRunId: succeeded[0]!.id, deadRunId: dead!.id },
  };
}

/** Every view, by a name for its picture. */
export const viewsOf = (filled: Filled): Record<string, string> => ({
  overview: "/",
  functions: "/functions",
  "function-new": "/functions/new",
  "function-code": "/functions/greet",
  "function-invoke": "/functions/greet?tab=invoke",
  "function-runs": "/functions/greet?tab=runs",
  "function-logs": "/functions/greet?tab=logs",
  "function-revisions": "/functions/greet?tab=revisions",
  "function-settings": "/functions/greet?tab=settings",
  tasks: "/tasks",
  "task-new": "/tasks/new?function=greet",
  "task-runs": `/tasks/${filled.taskId}`,
  "task-definition": `/tasks/${filled.taskId}?tab=definition`,
  "task-edit": `/tasks/${filled.taskId}?tab=edit`,
  "task-history": `/tasks/${filled.taskId}?tab=history`,
  runs: "/runs",
  "run-succeeded": `/runs/${filled.succeededRunId}`,
  "run-dead": `/runs/${filled.deadRunId}`,
  errors: "/errors",
  "dead-letters": "/dead-letters",
  bulk: "/bulk",
  "bulk-action": `/bulk/${filled.bulkId}`,
  queues: "/queues",
  queue: "/queues/mail",
  workers: "/workers",
  mailbox: "/mailbox",
  email: `/mailbox/${filled.emailId}`,
  secrets: "/secrets",
  keys: "/keys",
  audit: "/audit",
  usage: "/usage",
  nowhere: "/nowhere",
});
