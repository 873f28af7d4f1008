/** The errands of docs/api.md, done with the client against a running API. Prints each that is done. */
import { createClient, ProblemError, type Schemas, unwrap } from "bellhop/client";

const { BASE, KEY, SINK } = process.env as Record<string, string>;
const bellhop = createClient({ baseUrl: BASE!, key: KEY! });

function expect(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`not as expected: ${what}`);
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The run when it has ended. */
const ended = (id: string): Promise<Schemas["RunWithInput"]> =>
  until(async () => {
    const run = await unwrap(bellhop.GET("/v1/runs/{id}", { params: { path: { id } } }));
    return run.finishedAt === null ? undefined : run;
  });

const errands: Record<string, () => Promise<void>> = {
  async whoami() {
    const { namespace, scopes } = await unwrap(bellhop.GET("/v1/whoami"));
    expect(namespace === "default" && scopes.includes("operator"), "whose key it is");
  },

  async "schedule, run, look"() {
    const task = await unwrap(
      bellhop.POST("/v1/tasks", {
        body: {
          type: "http",
          url: SINK!,
          method: "POST",
          body: { kind: "nightly" },
          schedule: { cron: "30 2 * * *" },
        },
      }),
    );
    const path = { id: task.id };
    const { items } = await unwrap(
      bellhop.GET("/v1/tasks/{id}/next", { params: { path, query: { count: 2 } } }),
    );
    expect(items.length === 2, "the next two instants");
    const run = await unwrap(bellhop.POST("/v1/tasks/{id}/run", { params: { path } }));
    expect((await ended(run.id)).state === "succeeded", "the run succeeded");
    const changed = await unwrap(
      bellhop.PATCH("/v1/tasks/{id}", { params: { path }, body: { name: "report" } }),
    );
    expect(changed.name === "report", "its name");
    await unwrap(bellhop.POST("/v1/tasks/{id}/pause", { params: { path } }));
    await unwrap(bellhop.POST("/v1/tasks/{id}/resume", { params: { path } }));
    const runs = await unwrap(
      bellhop.GET("/v1/runs", { params: { query: { taskId: task.id, state: ["succeeded"], limit: 10 } } }),
    );
    expect(runs.items.length === 1, "one run");
    expect(
      (await bellhop.DELETE("/v1/tasks/{id}", { params: { path } })).response.status === 204,
      "it is gone",
    );
  },

  async "put a task by its key, twice"() {
    const put = () =>
      bellhop.PUT("/v1/tasks/{id}", {
        params: { path: { id: "nightly" } },
        body: { type: "http", url: SINK!, schedule: { every: "1h" } },
      });
    expect((await put()).response.status === 201, "made");
    expect((await put()).response.status === 200, "unchanged");
  },

  async "deploy, invoke, read its log"() {
    const params = { path: { name: "greet" } };
    const source =
      "export default (input, ctx) => { ctx.log.info('called'); return 'Hello, ' + input.name; };";
    const deployed = await unwrap(bellhop.PUT("/v1/functions/{name}", { params, body: { source } }));
    expect(deployed.name === "greet", "deployed");
    const greeting = await unwrap(
      bellhop.POST("/v1/functions/{name}/invoke", { params, body: { name: "Ada" } }),
    );
    expect(greeting === "Hello, Ada", "its result");
    const queued = await bellhop.POST("/v1/functions/{name}/invoke", {
      params: { ...params, header: { prefer: "respond-async" } },
      body: { name: "Bob" },
    });
    expect(queued.response.status === 202, "queued");
    await ended(queued.response.headers.get("bellhop-run-id")!);
    const lines = await until(async () => {
      const { items } = await unwrap(bellhop.GET("/v1/functions/{name}/logs", { params }));
      return items.length >= 2 ? items : undefined;
    });
    expect(lines[0]!.message === "called", "its log");
  },

  async "keep a secret, make a hook"() {
    const path = { name: "greet" };
    await unwrap(
      bellhop.PUT("/v1/functions/{name}/secrets/{secret}", {
        params: { path: { ...path, secret: "TOKEN" } },
        body: { value: "secret value" },
      }),
    );
    const hook = await unwrap(bellhop.POST("/v1/functions/{name}/hooks", { params: { path }, body: {} }));
    const triggered = await unwrap(
      bellhop.POST("/hooks/{token}", { params: { path: { token: hook.token } } }),
    );
    await ended(triggered.runId);
  },

  async "limit a queue, pause it, look"() {
    const params = { path: { name: "mail" } };
    await unwrap(
      bellhop.PUT("/v1/queues/{name}", { params, body: { concurrency: 5, rate: { limit: 100, per: "1m" } } }),
    );
    const paused = await unwrap(bellhop.POST("/v1/queues/{name}/pause", { params }));
    expect(paused.paused, "paused");
    await unwrap(bellhop.POST("/v1/queues/{name}/resume", { params }));
    const { items } = await unwrap(bellhop.GET("/v1/queues"));
    expect(
      items.some(({ name }) => name === "mail"),
      "it is listed",
    );
  },

  async "make a key, rotate it, revoke it"() {
    const made = await unwrap(bellhop.POST("/v1/keys", { body: { name: "ci", scopes: ["read"] } }));
    const ci = createClient({ baseUrl: BASE!, key: made.key });
    expect((await ci.GET("/v1/tasks")).response.ok, "it reads");
    const path = { id: made.id };
    const rotated = await unwrap(
      bellhop.POST("/v1/keys/{id}/rotate", { params: { path }, body: { overlap: "0s" } }),
    );
    expect(rotated.key !== made.key, "another secret");
    expect((await bellhop.DELETE("/v1/keys/{id}", { params: { path } })).response.status === 204, "revoked");
  },

  async "act in another namespace"() {
    await unwrap(bellhop.POST("/v1/namespaces", { body: { name: "billing" } }));
    const billing = createClient({ baseUrl: BASE!, key: KEY!, namespace: "billing" });
    const { items } = await unwrap(billing.GET("/v1/tasks"));
    expect(items.length === 0, "nothing of ours is there");
  },

  async "change many at once, read events"() {
    const bulk = await unwrap(
      bellhop.POST("/v1/bulk", {
        body: { action: "pause", resource: "tasks", filter: { state: ["active"] } },
      }),
    );
    expect("id" in bulk, "no dry run");
    await until(async () => {
      const { state } = await unwrap(bellhop.GET("/v1/bulk/{id}", { params: { path: { id: bulk.id } } }));
      return state === "running" ? undefined : true;
    });
    const { items } = await unwrap(bellhop.GET("/v1/events", { params: { query: { limit: 5 } } }));
    expect(items.length > 0, "events");
  },

  async "be refused in plain words"() {
    const { error } = await bellhop.GET("/v1/tasks/{id}", { params: { path: { id: "nowhere" } } });
    expect(error?.code === "not_found" && error.detail !== "", "its code");
    try {
      await unwrap(bellhop.GET("/v1/tasks/{id}", { params: { path: { id: "nowhere" } } }));
    } catch (error) {
      expect(error instanceof ProblemError && error.problem.code === "not_found", "a problem");
      return;
    }
    throw new Error("not refused");
  },
};

/** Never run: what the compiler has to refuse. */
export function mistakes(): void {
  // @ts-expect-error there is no such path
  void bellhop.GET("/v1/tsaks");
  // @ts-expect-error there is no such type of task
  void bellhop.POST("/v1/tasks", { body: { type: "fax", url: "https://example.com" } });
  // @ts-expect-error a path needs what stands in it
  void bellhop.GET("/v1/tasks/{id}");
}

for (const [name, run] of Object.entries(errands)) {
  await run();
  console.log(`done: ${name}`);
}
