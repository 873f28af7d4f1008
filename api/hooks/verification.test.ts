/** Hooks whose callers sign, as their own libraries do; what is not signed so does nothing. And hooks with a rate. */
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { test } from "node:test";
import { sign as signAsGithub } from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";
import { HOOK_SCHEMES, type HookScheme } from "../../core/domain/hook.ts";
import { BellhopError } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { createRequestRates } from "../auth/request-rates.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const HOOKS = "/v1/functions/greet/hooks";
const newSecret = () => `whsec_${randomBytes(24).toString("base64")}`;

type Headers = Record<string, string>;
interface Delivery {
  id?: string;
  /** Seconds before now. */
  agoSeconds?: number;
}

/** As a sender's own library signs. */
async function sign(scheme: HookScheme, secret: string, body: string, delivery: Delivery = {}) {
  const { id = randomUUID(), agoSeconds = 0 } = delivery;
  const at = new Date(Date.now() - agoSeconds * 1_000);
  const timestamp = Math.floor(at.getTime() / 1_000);
  const shapes: Record<HookScheme, () => Promise<Headers> | Headers> = {
    github: async () => ({
      "x-hub-signature-256": await signAsGithub(secret, body),
      "x-github-delivery": id,
      "x-github-event": "push",
    }),
    stripe: () => ({
      "stripe-signature": Stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp }),
    }),
    "standard-webhooks": () => ({
      "webhook-id": id,
      "webhook-timestamp": `${timestamp}`,
      "webhook-signature": new Webhook(secret).sign(id, at, body),
    }),
  };
  return await shapes[scheme]();
}

async function putSecret(tenant: TestCaller, name: string, value: string): Promise<void> {
  const { status } = await tenant.call("PUT", `/v1/secrets/${name}`, { body: { value } });
  assert.ok(status === 200 || status === 201);
}

async function newTenant(): Promise<TestCaller> {
  const tenant = await api.newTenant();
  const body = { source: "export default () => 1;" };
  assert.equal((await tenant.call("PUT", "/v1/functions/greet", { body })).status, 201);
  return tenant;
}

async function openHook(scheme: HookScheme, more: Record<string, Json> = {}) {
  const tenant = await newTenant();
  const [secret, other] = [newSecret(), newSecret()];
  await putSecret(tenant, "FIRST", secret);
  await putSecret(tenant, "SECOND", other);
  const body = { verify: { scheme, secrets: ["FIRST", "SECOND"], ...more } };
  const made = await tenant.call("POST", HOOKS, { body });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const send = (sent: string, headers: Headers) =>
    api.anonymous.call("POST", made.body.url, { body: sent, headers });
  return { tenant, secret, other, hook: made.body, send };
}

const countRuns = async ({ namespaceId }: TestCaller) => {
  const { rows } = await api.store.pool.query(
    "SELECT count(*)::int AS count FROM task_runs WHERE namespace_id = $1",
    [namespaceId],
  );
  return rows[0].count as number;
};

/** All that a refused call might have written. */
async function countWritten() {
  const { rows } = await api.store.pool.query(
    `SELECT (SELECT count(*) FROM idempotency_keys) AS keys, (SELECT count(*) FROM task_runs) AS runs,
       (SELECT count(*) FROM audit_log) AS entries`,
  );
  return rows[0];
}

for (const scheme of HOOK_SCHEMES) {
  test(`${scheme}: what is signed by any of the secrets is taken, and handed over as it came`, async () => {
    const { tenant, secret, other, send } = await openHook(scheme);
    for (const [at, by] of [secret, other].entries()) {
      const body = `{ "id": "evt_${at}", "note": "caffè" }`;
      const answer = await send(body, await sign(scheme, by, body));
      assert.equal(answer.status, 202, JSON.stringify(answer.body));
      const { spec } = await api.start(answer.body.runId);
      assert.ok(spec.type === "function");
      const { request } = spec.input as { request: { body: string } };
      assert.equal(Buffer.from(request.body, "base64").toString(), body);
    }
    assert.equal(await countRuns(tenant), 2);
  });

  test(`${scheme}: whatever is wrong is the same 401, and writes nothing`, async () => {
    const { tenant, secret, send } = await openHook(scheme);
    const body = '{"id":"evt_1"}';
    const headers = await sign(scheme, secret, body);
    const [signature] = Object.keys(headers).filter((name) => name.includes("signature"));
    const { [signature!]: _, ...unsigned } = headers;
    const strangers = await sign(scheme, newSecret(), body);
    const before = await countWritten();
    const answers = [
      await send(body, {}),
      await send(body, unsigned),
      await send(body, { ...headers, [signature!]: "x" }),
      await send(body, strangers),
      await send(`${body} `, headers),
      await send("", headers),
    ];
    for (const answer of answers) {
      assertProblem(answer, 401, "invalid_signature");
      assert.deepEqual(answer.body, answers[0]!.body);
    }
    assert.deepEqual(await countWritten(), before);
    assert.equal(await countRuns(tenant), 0);
  });

  test(`${scheme}: a delivery that comes again is answered as the first, and runs once`, async () => {
    const { tenant, secret, send } = await openHook(scheme);
    const body = '{"id":"evt_1"}';
    const headers = await sign(scheme, secret, body, { id: "delivery-1" });
    const first = await send(body, headers);
    // The same bytes, under other unsigned keys as well, and signed anew, as by a sender that tries again.
    const again = [
      await send(body, headers),
      await send(body, { ...headers, "idempotency-key": randomUUID() }),
      await send(body, await sign(scheme, secret, body, { id: "delivery-1", agoSeconds: 60 })),
    ];
    if (scheme === "stripe") again.push(await send(body, { ...headers, "webhook-id": randomUUID() }));
    for (const answer of again) {
      assert.deepEqual([answer.status, answer.body], [202, first.body]);
      assert.equal(answer.headers.get("idempotency-replayed"), "true");
    }
    assert.equal(await countRuns(tenant), 1);
  });

  test(`${scheme}: several of one delivery that come at once run once`, async () => {
    const { tenant, secret, send } = await openHook(scheme);
    const body = '{"id":"evt_1"}';
    const headers = await sign(scheme, secret, body);
    const answers = await Promise.all(Array.from({ length: 5 }, () => send(body, headers)));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([202]));
    assert.equal(new Set(answers.map((answer) => answer.body.runId)).size, 1);
    assert.equal(await countRuns(tenant), 1);
  });
}

for (const scheme of HOOK_SCHEMES)
  test(`${scheme}: a delivery is the same with another query and body`, async () => {
    const { tenant, secret, hook } = await openHook(scheme);
    const send = async (path: string, body: string) => {
      const headers = await sign(scheme, secret, body, { id: "delivery-1" });
      return await api.anonymous.call("POST", path, { body, headers });
    };
    const first = await send(hook.url, '{"id":"evt_1"}');
    const again = await send(`${hook.url}?attempt=2`, '{"id":"evt_1","attempt":2}');
    assert.deepEqual([again.status, again.body], [202, first.body]);
    assert.equal(await countRuns(tenant), 1);
  });

for (const scheme of ["stripe", "standard-webhooks"] as const)
  test(`${scheme}: a signature is of now, within five minutes or what the hook says`, async () => {
    const body = '{"id":"evt_1"}';
    for (const [more, tolerance, within] of [
      [{}, "5m", 300],
      [{ tolerance: "1h" }, "1h", 3_600],
    ] as const) {
      const { tenant, secret, hook, send } = await openHook(scheme, more);
      assert.equal(hook.verify.tolerance, tolerance);
      for (const agoSeconds of [within + 60, -within - 60])
        assertProblem(
          await send(body, await sign(scheme, secret, body, { agoSeconds })),
          401,
          "invalid_signature",
        );
      assert.equal(await countRuns(tenant), 0);
      const agoSeconds = within - 60;
      assert.equal((await send(body, await sign(scheme, secret, body, { agoSeconds }))).status, 202);
    }
  });

test("github: the same body of another delivery is another event", async () => {
  const { tenant, secret, send } = await openHook("github");
  for (const id of ["a", "b"])
    assert.equal((await send("{}", await sign("github", secret, "{}", { id }))).status, 202);
  assert.equal(await countRuns(tenant), 2);
});

test("a secret is changed without a refused call, and one that is gone verifies nothing", async () => {
  const { tenant, secret, other, send } = await openHook("github");
  const status = async (by: string) => (await send("{}", await sign("github", by, "{}"))).status;
  const next = newSecret();
  await putSecret(tenant, "SECOND", secret);
  await putSecret(tenant, "FIRST", next);
  assert.deepEqual([await status(secret), await status(next), await status(other)], [202, 202, 401]);
  await tenant.call("DELETE", "/v1/secrets/SECOND");
  assert.deepEqual([await status(secret), await status(next)], [401, 202]);
  await tenant.call("DELETE", "/v1/secrets/FIRST");
  assert.deepEqual([await status(secret), await status(next)], [401, 401]);
});

const breakSecret = async ({ namespaceId }: TestCaller, name: string) => {
  const text = "UPDATE secrets SET sealed = '\\x00' WHERE namespace_id = $1 AND name = $2";
  assert.equal((await api.store.pool.query(text, [namespaceId, name])).rowCount, 1);
};

test("a secret that is no key of the scheme, or cannot be opened, spoils no other", async () => {
  const { tenant, secret, other, send } = await openHook("standard-webhooks");
  const status = async (by: string) => (await send("{}", await sign("standard-webhooks", by, "{}"))).status;
  await putSecret(tenant, "FIRST", "this is not base64");
  assert.deepEqual([await status(other), await status(secret)], [202, 401]);
  await breakSecret(tenant, "FIRST");
  assert.deepEqual([await status(other), await status(secret)], [202, 401]);
});

test("a hook that has no usable secret refuses all calls, and the log says why, once a minute at most", async (t) => {
  let nowMs = 0;
  t.mock.method(api.parts.requestRates, "take", createRequestRates(() => nowMs).take);
  const warnings: unknown[] = [];
  t.mock.method(api.parts.log, "warn", (fields: unknown) => void warnings.push(fields));
  const { tenant, secret, hook, send } = await openHook("standard-webhooks");
  const sendSigned = async () => await send("{}", await sign("standard-webhooks", secret, "{}"));
  const value = "this is not base64";
  await putSecret(tenant, "FIRST", value);
  await tenant.call("DELETE", "/v1/secrets/SECOND");
  for (let at = 0; at < 2; at += 1) assertProblem(await sendSigned(), 401, "invalid_signature");
  const missing = { SECOND: "is not there" };
  const unusable = { FIRST: "is no secret of standard-webhooks", ...missing };
  assert.deepEqual(warnings, [{ hookId: hook.id, secrets: unusable }]);
  await breakSecret(tenant, "FIRST");
  nowMs += 60_000;
  for (let at = 0; at < 2; at += 1) {
    const refused = await sendSigned();
    assertProblem(refused, 503, "secrets_unavailable");
    assert.ok(!JSON.stringify(refused.body).includes("FIRST"));
  }
  const unopened = { FIRST: "The secret FIRST was sealed with a key that is not known.", ...missing };
  assert.deepEqual(warnings.slice(1), [{ hookId: hook.id, secrets: unopened }]);
  assert.ok(!JSON.stringify(warnings).includes(value));
  await putSecret(tenant, "FIRST", `${secret}\n`);
  assert.equal((await sendSigned()).status, 202);
});

test("a hook names secrets of its namespace; no answer shows one", async () => {
  const { tenant, secret, hook } = await openHook("github");
  assert.deepEqual(hook.verify, { scheme: "github", secrets: ["FIRST", "SECOND"], tolerance: "5m" });
  assert.equal(hook.rate, null);
  const { token: _, url: __, ...shown } = hook;
  const listed = await tenant.call("GET", HOOKS);
  assert.deepEqual(listed.body.items, [shown]);
  assert.ok(!JSON.stringify(listed.body).includes(secret));
  const stranger = await newTenant();
  const verify = { scheme: "github", secrets: ["FIRST", "OTHER"] };
  const refused = await stranger.call("POST", HOOKS, { body: { verify } });
  assertProblem(refused, 422, "unknown_secret", ["verify.secrets.0", "verify.secrets.1"]);
  const secrets = ["FIRST"];
  for (const [body, field] of [
    [{ verify: { scheme: "md5", secrets } }, "verify.scheme"],
    [{ verify: { scheme: "github" } }, "verify.secrets"],
    [{ verify: { scheme: "github", secrets: [] } }, "verify.secrets"],
    [{ verify: { scheme: "github", secrets: Array(5).fill("FIRST") } }, "verify.secrets"],
    [{ verify: { scheme: "github", secrets, tolerance: "999ms" } }, "verify.tolerance"],
    [{ verify: { scheme: "github", secrets, tolerance: "61m" } }, "verify.tolerance"],
    [{ rate: { limit: 0, per: "1s" } }, "rate.limit"],
    [{ rate: { limit: 1_000_001, per: "1s" } }, "rate.limit"],
    [{ rate: { limit: 1, per: "999ms" } }, "rate.per"],
    [{ rate: { limit: 1, per: "61m" } }, "rate.per"],
  ] as [Record<string, Json>, string][])
    assertProblem(await tenant.call("POST", HOOKS, { body }), 422, "invalid_input", [field]);
});

test("a hook that is called more often than its rate answers 429 with when to come again, and writes nothing", async (t) => {
  let nowMs = 0;
  const rates = createRequestRates(() => nowMs);
  t.mock.method(api.parts.requestRates, "take", rates.take);
  const tenant = await newTenant();
  const make = async () =>
    (await tenant.call("POST", HOOKS, { body: { rate: { limit: 2, per: "1m" } } })).body;
  const [hook, other] = [await make(), await make()];
  assert.deepEqual(hook.rate, { limit: 2, per: "1m" });
  const send = (path: string) => api.anonymous.call("POST", path);
  for (const remaining of [1, 0]) {
    const taken = await send(hook.url);
    assert.equal(taken.status, 202);
    assert.match(taken.headers.get("ratelimit")!, new RegExp(`^"calls";r=${remaining};t=`));
  }
  const before = await countWritten();
  const refused = await send(hook.url);
  assertProblem(refused, 429, "rate_limited");
  assert.equal(refused.headers.get("retry-after"), "30");
  assert.deepEqual(await countWritten(), before);
  assert.equal((await send(other.url)).status, 202);
  nowMs += 30_000;
  assert.deepEqual([(await send(hook.url)).status, (await send(hook.url)).status], [202, 429]);
});

test("a call that makes no run, since its namespace may begin no more, uses up nothing of a hook's rate", async (t) => {
  const tenant = await newTenant();
  const { url } = (await tenant.call("POST", HOOKS, { body: { rate: { limit: 1, per: "1h" } } })).body;
  const { mock } = t.mock.method(api.parts.daily, "counting", async () => {
    const message = "the namespace may begin 7,777 runs a day";
    throw new BellhopError("rate_limited", 429, message, [{ field: "runsPerDay", message }], 60);
  });
  const refused = await api.anonymous.call("POST", url);
  assertProblem(refused, 429, "rate_limited", []);
  assert.doesNotMatch(JSON.stringify(refused.body), /7,777|runsPerDay/, "that is for its own people");
  assert.equal(refused.headers.get("retry-after"), "60");
  assert.equal(refused.headers.get("ratelimit"), null);
  mock.restore();
  const send = async () => (await api.anonymous.call("POST", url)).status;
  assert.deepEqual([await send(), await send()], [202, 429]);
});

test("who cannot sign uses up nothing of a hook's rate", async () => {
  const tenant = await newTenant();
  const secret = newSecret();
  await putSecret(tenant, "FIRST", secret);
  const body = { verify: { scheme: "github", secrets: ["FIRST"] }, rate: { limit: 1, per: "1h" } };
  const { url } = (await tenant.call("POST", HOOKS, { body })).body;
  const send = async (by: string) =>
    (await api.anonymous.call("POST", url, { body: "{}", headers: await sign("github", by, "{}") })).status;
  const statuses = [await send("guess"), await send("guess"), await send(secret), await send(secret)];
  assert.deepEqual(statuses, [401, 401, 202, 429]);
});

test("what comes again uses up nothing of a hook's rate, and is answered where nothing is left of it", async () => {
  const tenant = await newTenant();
  const secret = newSecret();
  await putSecret(tenant, "FIRST", secret);
  const rate = { limit: 1, per: "1h" };
  for (const [verify, headersOf] of [
    [{ scheme: "github", secrets: ["FIRST"] }, (id: string) => sign("github", secret, "{}", { id })],
    [null, async (id: string) => ({ "idempotency-key": id })],
  ] as const) {
    const { url } = (await tenant.call("POST", HOOKS, { body: { verify, rate } as Json })).body;
    const before = await countRuns(tenant);
    const send = async (id: string) =>
      await api.anonymous.call("POST", url, { body: "{}", headers: await headersOf(id) });
    const first = await send("one");
    assert.equal(first.status, 202);
    assert.match(first.headers.get("ratelimit")!, /^"calls";r=0;/);
    const again = await send("one");
    const written = await countWritten();
    assertProblem(await send("two"), 429, "rate_limited");
    assert.deepEqual(await countWritten(), written);
    for (const answer of [again, await send("one")]) {
      assert.deepEqual([answer.status, answer.body], [202, first.body]);
      assert.equal(answer.headers.get("ratelimit"), null);
    }
    assert.equal(await countRuns(tenant), before + 1);
  }
});
