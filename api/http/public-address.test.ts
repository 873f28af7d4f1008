/** `BELLHOP_PUBLIC_URL`: what every address that the API gives begins with. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../../core/store/testing/test-store.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { withAddresses } from "./public-address.ts";

const PUBLIC = "https://bellhop.example.com/base";
const TASK = { type: "http", url: "https://example.com/", schedule: { delay: "1h" } } as const;

async function collectAddresses(tenant: TestCaller): Promise<string[]> {
  const task = await tenant.call("POST", "/v1/tasks", { body: TASK });
  const run = await tenant.call("POST", `/v1/tasks/${task.body.id}/run`, { body: {} });
  const fn = await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1;" } });
  const call = await tenant.call("POST", "/v1/functions/greet/invoke", {
    body: null,
    headers: { prefer: "respond-async" },
  });
  const refused = await tenant.call("GET", "/v1/tasks/none");
  const hook = await tenant.call("POST", "/v1/functions/greet/hooks", { body: {} });
  // Events are shown once no older transaction of the server is open: another test's may be.
  const next = await until(async () => {
    const page = await tenant.call("GET", "/v1/events?limit=1", {
      headers: { accept: "application/x-ndjson" },
    });
    return page.headers.get("link") ?? undefined;
  });
  return [
    ...[task, run, fn, call].map(({ headers }) => headers.get("location")!),
    hook.body.url,
    ...[next, refused.headers.get("link")!].map((link) => /^<(.*)>/.exec(link)![1]!),
  ];
}

const PATHS = [
  /^\/v1\/tasks\/[\w-]+$/,
  /^\/v1\/runs\/[\w-]+$/,
  /^\/v1\/functions\/greet$/,
  /^\/v1\/runs\/[\w-]+$/,
  /^\/hooks\/bhk_[\w-]+$/,
  /^\/v1\/events\?/,
  /^\/docs\/errors#not_found$/,
];

test("without it they are paths", async () => {
  const api = await openApi();
  const addresses = await collectAddresses(await api.newTenant());
  for (const [index, pattern] of PATHS.entries()) assert.match(addresses[index]!, pattern);
  const { servers } = (await api.anonymous.call("GET", "/openapi.json")).body;
  assert.equal(servers[0].url, "/");
});

test("with it they are whole, and the document says where its API is", async () => {
  const api = await openApi({ publicUrl: PUBLIC });
  const addresses = await collectAddresses(await api.newTenant());
  for (const [index, pattern] of PATHS.entries()) {
    assert.ok(addresses[index]!.startsWith(PUBLIC), addresses[index]);
    assert.match(addresses[index]!.slice(PUBLIC.length), pattern);
  }
  const { servers } = (await api.anonymous.call("GET", "/openapi.json")).body;
  assert.equal(servers[0].url, PUBLIC);
});

test("headers that are no addresses stay", () => {
  const headers = { etag: '"/v1"', link: '<https://example.com/>; rel="next"' };
  assert.deepEqual(withAddresses(headers, PUBLIC), headers);
});
