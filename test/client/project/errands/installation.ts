/** Keys, namespaces and their limits, settings, the audit log, and what an installation says of itself. */
import { ProblemError, unwrap } from "bellhop/client";
import { bellhop, clientOf, type Errands, expect, gone, key, refused, until } from "./shared.ts";

export const installation: Errands = {
  async whoami() {
    const { namespace, scopes } = await unwrap(bellhop.GET("/v1/whoami"));
    expect(namespace === "default" && scopes.includes("operator"), "whose key it is");
  },

  async "make a key, rotate it, revoke it, and find that in the log"() {
    const made = await unwrap(bellhop.POST("/v1/keys", { body: { name: "ci", scopes: ["read"] } }));
    const ci = clientOf(made.key);
    expect((await ci.GET("/v1/tasks")).response.ok, "it reads");
    await refused(ci.POST("/v1/keys", { body: { name: "more", scopes: ["read"] } }), 403, "forbidden");
    const path = { id: made.id };
    const rotated = await unwrap(
      bellhop.POST("/v1/keys/{id}/rotate", { params: { path }, body: { overlap: "0s" } }),
    );
    expect(rotated.key !== made.key, "another secret");
    expect(
      (await unwrap(bellhop.GET("/v1/keys"))).items.some(({ id }) => id === made.id),
      "listed",
    );
    await gone(bellhop.DELETE("/v1/keys/{id}", { params: { path } }));
    const { items } = await unwrap(
      bellhop.GET("/v1/audit", { params: { query: { resource: `keys/${made.id}`, action: "rotateKey" } } }),
    );
    expect(items.length === 1 && !JSON.stringify(items).includes(rotated.key), "without its secret");
  },

  async "a namespace: limited, closed in, used, deleted"() {
    const params = { path: { name: "billing" } };
    await unwrap(bellhop.POST("/v1/namespaces", { body: { name: "billing" } }));
    expect((await unwrap(bellhop.GET("/v1/namespaces"))).items.length === 2, "two");
    expect((await unwrap(bellhop.GET("/v1/namespaces/{name}", { params }))).name === "billing", "this");
    await unwrap(
      bellhop.PUT("/v1/namespaces/{name}/limits", { params, body: { tasks: 1, storedBytes: 1_000_000 } }),
    );
    expect((await unwrap(bellhop.GET("/v1/namespaces/{name}/limits", { params }))).tasks === 1, "its limit");
    await unwrap(
      bellhop.PUT("/v1/namespaces/{name}/egress", { params, body: { hosts: ["api.example.com"] } }),
    );
    expect(
      (await unwrap(bellhop.GET("/v1/namespaces/{name}/egress", { params }))).hosts?.length === 1,
      "a host",
    );
    const billing = clientOf(key, "billing");
    expect((await unwrap(billing.GET("/v1/tasks"))).items.length === 0, "nothing of ours is there");
    const body = { type: "http", url: "https://api.example.com/", schedule: { every: "1h" } } as const;
    await until(async () => {
      const { used, limit } = (await unwrap(billing.GET("/v1/usage"))).tasks;
      if (limit === null) return undefined;
      return used > 0 || (await billing.POST("/v1/tasks", { body })).response.status === 201 || undefined;
    });
    await refused(billing.POST("/v1/tasks", { body }), 409, "limit_exceeded");
    const deletion = await unwrap(bellhop.DELETE("/v1/namespaces/{name}", { params }));
    await until(async () => {
      const { state } = await unwrap(bellhop.GET("/v1/bulk/{id}", { params: { path: { id: deletion.id } } }));
      return state === "running" ? undefined : true;
    });
  },

  async "settings, signing secrets, export"() {
    const on = { failure: [{ type: "email" as const, to: "ops@example.com" }] };
    await unwrap(bellhop.PUT("/v1/settings", { body: { on } }));
    expect((await unwrap(bellhop.GET("/v1/settings"))).on?.failure?.length === 1, "whom to call");
    await unwrap(bellhop.PUT("/v1/settings", { body: { on: {} } }));
    const before = await unwrap(bellhop.GET("/v1/signing-secrets"));
    const after = await unwrap(bellhop.POST("/v1/signing-secrets/rotate"));
    expect(after.items[1]!.secret === before.items[0]!.secret, "the one before stays valid");
    const { data } = await bellhop.GET("/v1/export", { parseAs: "text" });
    expect(String(data).trimEnd().split("\n").at(-1)!.includes('"kind":"end"'), "all of it");
  },

  async "what an installation says of itself"() {
    expect((await unwrap(bellhop.GET("/v1/workers"))).items.length === 1, "its worker");
    await unwrap(bellhop.GET("/v1/activity"));
    expect((await unwrap(bellhop.GET("/v1/invalid-tasks"))).items.length === 0, "nothing was enqueued");
    await unwrap(bellhop.GET("/healthz", { parseAs: "text" }));
    // A busy machine's database may keep it waiting.
    const isReady = () => unwrap(bellhop.GET("/readyz", { parseAs: "text" })).then(() => true);
    await until(() => isReady().catch(() => undefined));
    await unwrap(bellhop.GET("/metrics", { parseAs: "text" }));
    await unwrap(bellhop.GET("/openapi.json"));
    const answer = await unwrap(
      bellhop.POST("/mcp", { body: { jsonrpc: "2.0", id: 1, method: "tools/list" } as never }),
    );
    expect(JSON.stringify(answer).includes("list_tasks"), "tools");
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
