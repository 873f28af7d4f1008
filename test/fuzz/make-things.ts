/** Some of everything, for requests to find. */
import type { ApiClient } from "../system/cluster.ts";

/** Kind, as paths call it → names or ids. */
export type Things = Record<string, string[]>;

const HTTP = { type: "http", url: "https://example.com/", schedule: { every: "1h" } };

export async function makeThings(api: ApiClient): Promise<Things> {
  const make = async (method: string, path: string, body: object) => await api.call(method, path, body);
  const idOf = async (method: string, path: string, body: object) =>
    (await make(method, path, body))["id"] as string;
  for (const name of ["greet", "echo"])
    await make("PUT", `/v1/functions/${name}`, {
      ...{ source: "export default (input) => input ?? 'hello';", public: name === "echo" },
      limits: { wallMs: 1_000 },
    });
  await make("PUT", "/v1/functions/greet/tags/stable", { revision: 1 });
  for (const name of ["mail", "reports"]) await make("PUT", `/v1/queues/${name}`, { concurrency: 2 });
  for (const name of ["days", "holidays"])
    await make("PUT", `/v1/calendars/${name}`, { dates: ["2026-12-25"] });
  await make("PUT", "/v1/secrets/API_KEY", { value: "secret value" });
  await make("PUT", "/v1/functions/greet/secrets/OWN_KEY", { value: "secret value" });
  await make("POST", "/v1/namespaces", { name: "billing" });
  const tasks = [
    await idOf("POST", "/v1/tasks", HTTP),
    await idOf("POST", "/v1/tasks", { type: "function", function: "greet", schedule: { every: "1h" } }),
    await idOf("POST", "/v1/tasks", { ...HTTP, type: "http", overlap: "allow" }),
  ];
  const runs = [];
  for (const task of tasks) runs.push(await idOf("POST", `/v1/tasks/${task}/run`, {}));
  const hooks = [
    await make("POST", "/v1/functions/greet/hooks", {}),
    await make("POST", `/v1/tasks/${tasks[0]}/hooks`, {}),
  ];
  return {
    ...{ tasks, runs, "dead-letters": runs },
    ...{ functions: ["greet", "echo"], tags: ["stable"], revisions: ["1"] },
    ...{ queues: ["mail", "reports"], calendars: ["days", "holidays"], namespaces: ["billing"] },
    secrets: ["API_KEY", "OWN_KEY"],
    ...{ hooks: hooks.map(({ id }) => id as string), tokens: hooks.map(({ token }) => token as string) },
    keys: [await idOf("POST", "/v1/keys", { name: "ci", scopes: ["read"] })],
    bulk: [await idOf("POST", "/v1/bulk", { action: "pause", resource: "tasks", filter: { type: "email" } })],
  };
}
