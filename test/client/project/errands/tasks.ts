/** Tasks, their schedules, calendars and sets. */
import { unwrap } from "bellhop/client";
import {
  bellhop,
  deploy,
  type Errands,
  ended,
  expect,
  gone,
  makeTask,
  refused,
  shown,
  sink,
  until,
} from "./shared.ts";

const HOURLY = { type: "http", url: sink, schedule: { every: "1h" } } as const;

export const tasks: Errands = {
  async "schedule, look, run, change, pause, cancel, remove"() {
    const task = await makeTask({
      ...{ type: "http", url: sink, method: "POST", body: { kind: "nightly" } },
      schedule: { cron: "30 2 * * *" },
    });
    const path = { id: task.id };
    const next = await unwrap(bellhop.GET("/v1/tasks/{id}/next", { params: { path, query: { count: 2 } } }));
    expect(next.items.length === 2, "the next two instants");
    const run = await unwrap(bellhop.POST("/v1/tasks/{id}/run", { params: { path } }));
    expect((await ended(run.id)).state === "succeeded", "the run succeeded");
    const seen = await bellhop.GET("/v1/tasks/{id}", { params: { path } });
    const etag = seen.response.headers.get("etag")!;
    const change = (name: string, header: object) =>
      bellhop.PATCH("/v1/tasks/{id}", { params: { path, header }, body: { name } });
    const changed = await shown(change("report", { "if-match": etag }));
    expect(changed.name === "report", "its name");
    await refused(change("another", { "if-match": etag }), 412, "precondition_failed");
    expect((await change("minimal", { prefer: "return=minimal" })).response.status === 204, "not shown");
    await unwrap(bellhop.POST("/v1/tasks/{id}/pause", { params: { path } }));
    await unwrap(bellhop.POST("/v1/tasks/{id}/resume", { params: { path } }));
    const history = await unwrap(bellhop.GET("/v1/tasks/{id}/changes", { params: { path } }));
    expect(history.items[0]!.change === "resumed", "its history");
    const runs = await unwrap(
      bellhop.GET("/v1/tasks/{id}/runs", { params: { path, query: { state: ["succeeded"], limit: 10 } } }),
    );
    expect(runs.items.length === 1, "one run");
    const cancelled = await unwrap(bellhop.POST("/v1/tasks/{id}/cancel", { params: { path } }));
    expect(cancelled.state === "cancelled", "cancelled");
    await gone(bellhop.DELETE("/v1/tasks/{id}", { params: { path } }));
  },

  async "put a task by its key, twice, and see a difference"() {
    const put = (every: string, dryRun: "true" | "false" = "false") =>
      bellhop.PUT("/v1/tasks/{id}", {
        params: { path: { id: "nightly" }, query: { dryRun } },
        body: { ...HOURLY, schedule: { every } },
      });
    expect((await put("1h")).response.status === 201, "made");
    expect((await put("1h")).response.status === 200, "unchanged");
    const difference = await shown(put("2h", "true"));
    expect("change" in difference && difference.change === "updated", "what would be done");
  },

  async "make many, a set, and what is the same once"() {
    const batch = await unwrap(
      bellhop.POST("/v1/tasks/batch", {
        body: { items: [HOURLY, { type: "function", function: "nowhere" }] },
      }),
    );
    expect(batch.items.map(({ status }) => status).join() === "201,422", "of each");
    const applied = await unwrap(
      bellhop.POST("/v1/tasks/apply", {
        body: {
          items: [{ ...HOURLY, key: "set:one", labels: { app: "set" } }],
          prune: { label: ["app=set"] },
        },
      }),
    );
    expect(applied.items[0]!.change === "created", "of the set");
    const once = () =>
      bellhop.POST("/v1/tasks", { body: { ...HOURLY, name: "once", dedup: { window: "10m" } } });
    const first = await once();
    const second = await once();
    expect(first.response.status === 201 && second.response.status === 200, "made once");
    expect(second.response.headers.get("bellhop-deduplicated") === "true", "it says so");
    const header = { "idempotency-key": "an-errand" };
    const repeat = () => bellhop.POST("/v1/tasks", { params: { header }, body: HOURLY });
    const [made, again] = [await shown(repeat()), await shown(repeat())];
    expect(made.id === again.id, "the same answer");
  },

  async "find tasks, page by page"() {
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const query = { limit: 2, state: ["active" as const], ...(cursor === undefined ? {} : { cursor }) };
      const page = await unwrap(bellhop.GET("/v1/tasks", { params: { query } }));
      ids.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(new Set(ids).size === ids.length && ids.length > 3, "each once");
    const upcoming = await unwrap(bellhop.GET("/v1/upcoming", { params: { query: { limit: 5 } } }));
    expect(upcoming.items.length === 5, "what comes next");
    const density = await unwrap(bellhop.GET("/v1/upcoming/density", {}));
    expect(density.items.length > 0, "how much of it, slice by slice");
  },

  async "describe a schedule, and leave out holidays"() {
    const params = { path: { name: "holidays" } };
    await unwrap(bellhop.PUT("/v1/calendars/{name}", { params, body: { dates: ["2030-12-25"] } }));
    expect((await unwrap(bellhop.GET("/v1/calendars/{name}", { params }))).dates.length === 1, "a day");
    expect((await unwrap(bellhop.GET("/v1/calendars"))).items.length === 1, "the calendar");
    const preview = await unwrap(
      bellhop.POST("/v1/schedules/preview", {
        body: { schedule: { cron: "0 9 * * MON-FRI", exclude: { calendar: "holidays" } } },
      }),
    );
    expect(preview.description !== "", "in words");
    await gone(bellhop.DELETE("/v1/calendars/{name}", { params }));
    await refused(bellhop.GET("/v1/clock"), 404, "clock_not_virtual");
  },

  async "catch up, expect, call back, send a secret"() {
    await unwrap(
      bellhop.PUT("/v1/secrets/{secret}", {
        params: { path: { secret: "CRM_TOKEN" } },
        body: { value: "an errand's secret" },
      }),
    );
    expect((await unwrap(bellhop.GET("/v1/secrets"))).items.length === 1, "its name");
    await deploy("watch", "export default (input) => input.data.state;");
    const task = await makeTask({
      ...{
        type: "http",
        url: sink,
        headers: { "x-token": "{{secrets.CRM_TOKEN}}" },
        schedule: { every: "1h" },
      },
      ...{ expect: { within: "30m" }, retry: { maxAttempts: 2 }, timeout: "5s", deadline: "1m" },
      on: { success: [{ type: "function", function: "watch" }] },
    });
    const run = await unwrap(bellhop.POST("/v1/tasks/{id}/run", { params: { path: { id: task.id } } }));
    await ended(run.id);
    const query = { function: "watch", state: ["succeeded" as const] };
    await until(async () => (await unwrap(bellhop.GET("/v1/runs", { params: { query } }))).items[0]);
    const now = new Date();
    const hours = (count: number) => new Date(now.getTime() - count * 3_600_000).toISOString();
    const backfill = await unwrap(
      bellhop.POST("/v1/tasks/{id}/backfill", {
        params: { path: { id: task.id } },
        body: { from: hours(3), to: hours(1), dryRun: true },
      }),
    );
    expect("matched" in backfill, "counted");
    await gone(bellhop.DELETE("/v1/secrets/{secret}", { params: { path: { secret: "CRM_TOKEN" } } }));
  },

  async "complete a run later"() {
    const task = await makeTask({ type: "http", url: `${sink}/later`, schedule: { delay: "10d" } });
    const run = await unwrap(bellhop.POST("/v1/tasks/{id}/run", { params: { path: { id: task.id } } }));
    const token = await until(async () => {
      const url = await (await fetch(`${sink}/complete-url`)).text();
      return url.split("/complete/")[1];
    });
    const completed = await until(async () => {
      const { data } = await bellhop.POST("/complete/{token}", {
        params: { path: { token } },
        body: { result: { rows: 42 } },
      });
      return data;
    });
    expect(completed.runId === run.id, "the run");
    expect(JSON.stringify((await ended(run.id)).result) === '{"rows":42}', "its result");
  },

  async "trigger a task from outside"() {
    const params = { path: { task: "nightly" } };
    const hook = await unwrap(bellhop.POST("/v1/tasks/{task}/hooks", { params, body: { name: "shop" } }));
    expect((await unwrap(bellhop.GET("/v1/tasks/{task}/hooks", { params }))).items.length === 1, "listed");
    const { runId } = await unwrap(
      bellhop.POST("/hooks/{token}", { params: { path: { token: hook.token } } }),
    );
    await ended(runId);
    const ofHook = { path: { ...params.path, hook: hook.id } };
    await gone(bellhop.DELETE("/v1/tasks/{task}/hooks/{hook}", { params: ofHook }));
  },

  async "send an e-mail, and find it in the mailbox"() {
    const mail = { to: "ada@example.com", subject: "Your report", body: "It is ready." };
    await makeTask({ type: "email", from: "bellhop@example.com", ...mail });
    const captured = await until(async () => (await unwrap(bellhop.GET("/v1/mailbox"))).items[0]);
    const params = { path: { id: captured.id } };
    const { subject } = await unwrap(bellhop.GET("/v1/mailbox/{id}", { params }));
    expect(subject === mail.subject, "its subject");
  },
};
