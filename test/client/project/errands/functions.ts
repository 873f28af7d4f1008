/** Functions: their revisions, settings, calls, hooks and logs. */
import { unwrap } from "bellhop/client";
import { bellhop, clientOf, deploy, type Errands, ended, expect, gone, key, shown, until } from "./shared.ts";

const params = { path: { name: "greet" } };
const HELLO = `export default {
  fetch: (request) => new Response(request.method),
};`;

export const functions: Errands = {
  async "deploy, invoke, read its log"() {
    const source =
      "export default (input, ctx) => { ctx.log.info('called'); return 'Hello, ' + input.name; };";
    expect((await deploy("greet", source)).name === "greet", "deployed");
    const invoke = (name: string, prefer?: string) =>
      bellhop.POST("/v1/functions/{name}/invoke", {
        params: { ...params, ...(prefer === undefined ? {} : { header: { prefer } }) },
        body: { name },
      });
    expect((await unwrap(invoke("Ada"))) === "Hello, Ada", "its result");
    const queued = await invoke("Bob", "respond-async");
    expect(queued.response.status === 202, "queued");
    await ended(queued.response.headers.get("bellhop-run-id")!);
    const lines = await until(async () => {
      const { items } = await unwrap(bellhop.GET("/v1/functions/{name}/logs", { params }));
      return items.length >= 2 ? items : undefined;
    });
    expect(lines[0]!.message === "called", "its log");
    const figures = await unwrap(bellhop.GET("/v1/functions/{name}/figures", { params }));
    expect(figures.runs > 0, "its figures");
    expect((await unwrap(bellhop.GET("/v1/functions"))).items.length > 0, "listed");
  },

  async "revisions, tags, traffic and the way back"() {
    await deploy("greet", "export default () => 'Hi';");
    const revisions = await unwrap(bellhop.GET("/v1/functions/{name}/revisions", { params }));
    const [second, first] = revisions.items.map(({ id }) => id) as [string, string];
    const ofRevision = { path: { ...params.path, revision: second } };
    const { files } = await unwrap(
      bellhop.GET("/v1/functions/{name}/revisions/{revision}", { params: ofRevision }),
    );
    expect(Object.keys(files).length === 1, "its file");
    await unwrap(
      bellhop.GET("/v1/functions/{name}/revisions/{revision}/diff", {
        params: { ...ofRevision, query: { from: first } },
      }),
    );
    const tagged = { path: { ...params.path, tag: "stable" } };
    await unwrap(
      bellhop.PUT("/v1/functions/{name}/tags/{tag}", { params: tagged, body: { revision: first } }),
    );
    await unwrap(
      bellhop.PUT("/v1/functions/{name}/traffic", {
        params,
        body: { [first]: 50, [second]: 50 },
      }),
    );
    await unwrap(bellhop.DELETE("/v1/functions/{name}/tags/{tag}", { params: tagged }));
    await unwrap(bellhop.POST("/v1/functions/{name}/rollback", { params, body: {} }));
    const settings = { env: { CITY: "Rome" } };
    const changed = await shown(bellhop.PATCH("/v1/functions/{name}", { params, body: settings }));
    expect(changed.env?.["CITY"] === "Rome", "its settings");
    const { tags } = await unwrap(bellhop.GET("/v1/functions/{name}", { params }));
    expect(Object.keys(tags).length === 0, "no tag any more");
  },

  async "keep secrets, make a hook"() {
    const ofSecret = { path: { ...params.path, secret: "TOKEN" } };
    const body = { value: "secret value" };
    await unwrap(bellhop.PUT("/v1/functions/{name}/secrets/{secret}", { params: ofSecret, body }));
    const { items } = await unwrap(bellhop.GET("/v1/functions/{name}/secrets", { params }));
    expect(items[0]!.name === "TOKEN", "its name");
    await gone(bellhop.DELETE("/v1/functions/{name}/secrets/{secret}", { params: ofSecret }));
    const hook = await unwrap(
      bellhop.POST("/v1/functions/{name}/hooks", { params, body: { rate: { limit: 60, per: "1m" } } }),
    );
    const triggered = await unwrap(
      bellhop.POST("/hooks/{token}", { params: { path: { token: hook.token } } }),
    );
    await ended(triggered.runId);
    expect(
      (await unwrap(bellhop.GET("/v1/functions/{name}/hooks", { params }))).items.length === 1,
      "listed",
    );
    const ofHook = { path: { ...params.path, hook: hook.id } };
    await gone(bellhop.DELETE("/v1/functions/{name}/hooks/{hook}", { params: ofHook }));
  },

  async "call its URL by every method"() {
    await deploy("page", HELLO);
    const asked = {
      params: { path: { namespace: "default", name: "page", path: "a" } },
      parseAs: "text",
    } as const;
    const url = "/fn/{namespace}/{name}/{path}";
    expect(String(await unwrap(bellhop.GET(url, asked))) === "GET", "GET");
    expect(String(await unwrap(bellhop.PUT(url, asked))) === "PUT", "PUT");
    expect(String(await unwrap(bellhop.POST(url, asked))) === "POST", "POST");
    expect(String(await unwrap(bellhop.PATCH(url, asked))) === "PATCH", "PATCH");
    expect(String(await unwrap(bellhop.DELETE(url, asked))) === "DELETE", "DELETE");
    expect(String(await unwrap(bellhop.OPTIONS(url, asked))) === "OPTIONS", "OPTIONS");
    const made = await unwrap(
      bellhop.POST("/v1/keys", { body: { name: "caller", scopes: ["invoke"], functions: ["page"] } }),
    );
    expect((await clientOf(made.key).GET(url, asked)).response.ok, "with a key for it alone");
    expect(
      (await clientOf(key).DELETE("/v1/functions/{name}", { params: { path: { name: "page" } } })).response
        .ok,
      "gone",
    );
  },
};
