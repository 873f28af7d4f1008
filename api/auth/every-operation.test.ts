/** Who may not do something is told the same whatever is there, and changes nothing: every operation of the document. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { newId } from "../../core/store/ids.ts";
import { until } from "../../core/store/testing/test-store.ts";
import { startTestIssuer, TEST_AUDIENCE } from "../../test/support/oidc-issuer.ts";
import { type Answer, openApi, type TestCaller } from "../testing/open-api.ts";
import type { Scope } from "./scopes.ts";

const provider = await startTestIssuer();
after(() => provider.close());
/** Tokens say themselves what they open. */
const mapping = { rules: [], ownClaims: { namespace: "namespace", scopes: "scopes" } };
const api = await openApi({
  oidc: { config: { issuer: provider.url, audiences: [TEST_AUDIENCE], mapping } },
});
const withToken = async (claims: object) => api.withKey(await provider.sign({ ...claims }));

interface Operation {
  method: string;
  /** As the document writes it. */
  template: string;
  /** Null: any key will do. */
  scope: Scope | null;
  /** A path of what is there in the namespace, and one of what is not. */
  there: string;
  absent: string;
}

let namespace: string;
let namespaceId: string;
let operations: Operation[];

/** What stands in a path behind these names, in the namespace that is asked about. */
const things: Record<string, string> = {
  functions: "greet",
  queues: "mail",
  calendars: "days",
  tags: "stable",
};
const NOWHERE: Record<string, string> = { functions: "nowhere", queues: "nowhere", calendars: "nowhere" };

before(async () => {
  const tenant = await api.newTenant();
  ({ namespaceId } = tenant);
  const make = async (method: string, path: string, body: object) => {
    const answer = await tenant.call(method, path, { body: body as never });
    assert.ok(answer.status < 300, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  namespace = (await tenant.call("GET", "/v1/whoami")).body.namespace;
  const task = { type: "http", url: "https://example.com/", schedule: { every: "1h" } };
  things["tasks"] = (await make("POST", "/v1/tasks", task)).id;
  const { id: runId } = await make("POST", `/v1/tasks/${things["tasks"]}/run`, {});
  things["runs"] = runId;
  things["dead-letters"] = runId;
  await make("PUT", "/v1/functions/greet", { source: "export default () => 1;" });
  await make("PUT", "/v1/functions/greet/tags/stable", { revision: 1 });
  things["revisions"] = "1";
  things["hooks"] = (await make("POST", "/v1/functions/greet/hooks", {})).id;
  await make("PUT", "/v1/secrets/API_KEY", { value: "secret value" });
  things["secrets"] = "API_KEY";
  await make("PUT", "/v1/queues/mail", { concurrency: 1 });
  await make("PUT", "/v1/calendars/days", { dates: ["2026-12-25"] });
  things["bulk"] = (await make("POST", "/v1/bulk", { action: "pause", resource: "tasks", filter: {} })).id;
  things["keys"] = (await make("POST", "/v1/keys", { name: "ci", scopes: ["read"] })).id;
  things["namespaces"] = namespace;
  operations = await readOperations();
});

async function readOperations(): Promise<Operation[]> {
  const { paths } = (await api.anonymous.call("GET", "/openapi.json")).body;
  const found: Operation[] = [];
  for (const [template, methods] of Object.entries<Record<string, { security: { bearer?: Scope[] }[] }>>(
    paths,
  ))
    for (const [method, { security }] of Object.entries(methods)) {
      if (!template.startsWith("/v1/")) continue;
      const scopes = security.find(({ bearer }) => bearer)?.bearer;
      assert.ok(scopes, `${method} ${template} needs a key`);
      found.push({
        ...{ method: method.toUpperCase(), template, scope: scopes[0] ?? null },
        there: fillIn(template, (kind) => things[kind] ?? newId()),
        absent: fillIn(template, (kind) => NOWHERE[kind] ?? newId()),
      });
    }
  return found;
}

const fillIn = (template: string, find: (kind: string) => string) =>
  template.replaceAll(/([\w-]+)\/\{\w+\}/g, (_all, kind: string) => `${kind}/${find(kind)}`);

const ask = (caller: TestCaller, { method }: Operation, path: string, headers: Record<string, string> = {}) =>
  caller.call(method, path, { headers, ...(method === "GET" ? {} : { body: {} }) });

/** All that is stored, but for when keys were used last. */
async function takeStock(): Promise<string> {
  const { rows: tables } = await sql<{ name: string }>`
    SELECT relname AS name FROM pg_class
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace ORDER BY 1`.execute(
    api.db,
  );
  const hashes: string[] = [];
  for (const { name } of tables) {
    const { rows } = await sql<{ hash: string }>`
      SELECT coalesce(md5(string_agg(row, ',' ORDER BY row)), '') AS hash
      FROM (SELECT (to_jsonb(t) - 'last_used_at')::text AS row FROM ${sql.table(name)} t) r`.execute(api.db);
    hashes.push(`${name} ${rows[0]!.hash}`);
  }
  return hashes.join("\n");
}

/** What is told, but for what names the request itself. */
const toTold = ({ status, body }: Answer) => [status, body?.code, body?.detail, body?.errors];

/** Everything that is asked for by it is refused so, in the same words whether it is there or not, and nothing changes. */
async function assertRefused(
  caller: TestCaller,
  asked: readonly Operation[],
  status: number,
  headers: Record<string, string> = {},
): Promise<void> {
  assert.ok(asked.length > 0);
  const stock = await takeStock();
  for (const operation of asked) {
    const told = `${operation.method} ${operation.template}`;
    const answer = await ask(caller, operation, operation.there, headers);
    assert.equal(answer.status, status, `${told}: ${JSON.stringify(answer.body)}`);
    assert.deepEqual(toTold(await ask(caller, operation, operation.absent, headers)), toTold(answer), told);
  }
  assert.equal(await takeStock(), stock);
}

const needsScope = ({ scope }: Operation) => scope !== null;

test("the document has every operation that needs a key", () => {
  assert.ok(operations.length > 70, `${operations.length} operations`);
  for (const { there } of operations) assert.doesNotMatch(there, /[{}]/);
});

test("without a key, and with one that is unknown, expired or revoked: 401", async () => {
  await assertRefused(api.anonymous, operations, 401);
  await assertRefused(api.withKey(`bh_${"x".repeat(43)}`), operations, 401);
  for (const fault of ["expired", "revoked"])
    await assertRefused(await api.newCaller(namespaceId, ["admin"], { [fault]: true }), operations, 401);
});

test("with a token that is not valid: 401; with one that opens nothing, or another namespace: 403", async () => {
  const own = { namespace, scopes: ["admin"] };
  await untilKnown();
  for (const fault of [{ exp: 1 }, { aud: "shop" }, { iss: "https://evil.example" }])
    await assertRefused(await withToken({ ...own, ...fault }), operations, 401);
  for (const fault of [{ namespace: "nowhere" }, { namespace: undefined }, { scopes: ["operator"] }])
    await assertRefused(await withToken({ ...own, ...fault }), operations, 403);
  const other = await api.newTenant();
  const elsewhere = (await other.call("GET", "/v1/whoami")).body.namespace;
  const foreign = await withToken({ ...own, namespace: elsewhere });
  await assertRefused(foreign, operations, 403, { "bellhop-namespace": namespace });
});

/** Their subject is recorded beside the first call. */
const untilKnown = async () => {
  await (await withToken({ namespace, scopes: ["read"] })).call("GET", "/v1/whoami");
  await until(async () => {
    const { rows } = await sql`SELECT FROM token_subjects`.execute(api.db);
    return rows.length > 0 || undefined;
  });
};

test("with a token of every scope but the one it needs: 403", async () => {
  await untilKnown();
  const ordinary: Scope[] = ["read", "write", "deploy", "invoke"];
  for (const lacking of [...ordinary, "admin"] as Scope[]) {
    const scopes = ordinary.filter((scope) => scope !== lacking);
    const asked = operations.filter(({ scope }) => scope === lacking);
    await assertRefused(await withToken({ namespace, scopes }), asked, 403);
  }
  const admin = await withToken({ namespace, scopes: ["admin"] });
  await assertRefused(
    admin,
    operations.filter(({ scope }) => scope === "operator"),
    403,
  );
});

test("with the key of another namespace that names this one: 403", async () => {
  const other = await api.newTenant();
  await assertRefused(other, operations, 403, { "bellhop-namespace": namespace });
});

test("with every scope but the one it needs: 403", async () => {
  const ordinary: Scope[] = ["read", "write", "deploy", "invoke"];
  for (const lacking of ordinary) {
    const caller = await api.newCaller(
      namespaceId,
      ordinary.filter((scope) => scope !== lacking),
    );
    await assertRefused(
      caller,
      operations.filter(({ scope }) => scope === lacking),
      403,
    );
  }
  const nearly = await api.newCaller(namespaceId, ordinary);
  await assertRefused(
    nearly,
    operations.filter(({ scope }) => scope === "admin"),
    403,
  );
  const admin = await api.newCaller(namespaceId, ["admin"]);
  await assertRefused(
    admin,
    operations.filter(({ scope }) => scope === "operator"),
    403,
  );
  await assertRefused(await api.newCaller(namespaceId, []), operations.filter(needsScope), 403);
});

test("with a key for another function: 403", async () => {
  const admin = await api.newCaller(namespaceId, ["admin"]);
  const scopes = ["read", "write", "deploy", "invoke"];
  const body = { name: "one function", scopes, functions: ["elsewhere"] };
  const { key } = (await admin.call("POST", "/v1/keys", { body })).body;
  await assertRefused(api.withKey(key), operations.filter(needsScope), 403);
});

test("with the key of another namespace what is here is not there: the same as of what nobody has", async () => {
  const other = await api.newTenant();
  const namesOne = ({ template, scope }: Operation) => template.includes("{") && scope !== "operator";
  for (const operation of operations.filter(namesOne)) {
    const stock = await takeStock();
    const told = `${operation.method} ${operation.template}`;
    const [there, absent] = [
      await ask(other, operation, operation.there),
      await ask(other, operation, operation.absent),
    ];
    assert.equal(there.status, absent.status, told);
    assert.equal(there.body?.code, absent.body?.code, told);
    if (there.status === 404) assert.equal(await takeStock(), stock, told);
  }
});
