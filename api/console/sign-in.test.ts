/** `POST /console/sign-in`: a code works once, for a key of a session. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createSignInCode } from "../../core/store/sign-in-codes.ts";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";
import { SIGN_INS } from "./guard-sign-in.ts";
import { SESSION_MS } from "./sign-in.ts";

const api = await openApi();
const signIn = (code: unknown, at = api) =>
  at.anonymous.call("POST", "/console/sign-in", { body: { code } as never });

test("a code is exchanged for an operator's key that expires, once; the audit log has it", async () => {
  const code = await createSignInCode(api.store);
  const { status, body, headers } = await signIn(code);
  assert.equal(status, 201, JSON.stringify(body));
  assert.equal(headers.get("cache-control"), "no-store");
  const lasts = Date.parse(body.expiresAt) - Date.now();
  assert.ok(lasts > SESSION_MS - 60_000 && lasts <= SESSION_MS, `${lasts}`);
  const session = api.withKey(body.key);
  const { body: caller } = await session.call("GET", "/v1/whoami");
  assert.deepEqual([caller.namespace, caller.scopes], ["default", ["operator"]]);
  assert.equal(caller.key.expiresAt, body.expiresAt);
  const { body: log } = await session.call("GET", `/v1/audit?resource=keys/${caller.key.id}`);
  assert.deepEqual(log.items[0].action, "signInToConsole");
  assert.doesNotMatch(JSON.stringify(log), new RegExp(`${code}|${body.key}`));

  assertProblem(await signIn(code), 401, "sign_in_code_invalid");
});

test("of many who use a code at once one signs in", async () => {
  const code = await createSignInCode(api.store);
  const answers = await Promise.all(Array.from({ length: 8 }, () => signIn(code)));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, ...new Array<number>(7).fill(401)]);
});

test("a code that is unknown, expired or no code at all opens nothing, and is not repeated", async () => {
  const expired = await createSignInCode(api.store, -1);
  for (const code of [expired, `bhs_${"x".repeat(43)}`]) {
    const answer = await signIn(code);
    assertProblem(answer, 401, "sign_in_code_invalid");
    assert.ok(!JSON.stringify(answer.body).includes(code));
  }
  for (const code of ["", "x".repeat(101), 7, null]) assertProblem(await signIn(code), 422, "invalid_input");
  const more = { body: { code: "bhs_x", key: "y" } };
  assertProblem(await api.anonymous.call("POST", "/console/sign-in", more), 422, "invalid_input");
});

test("the database has no code, and forgets those that have expired", async () => {
  await api.store.pool.query("DELETE FROM sign_in_codes");
  await createSignInCode(api.store, -1);
  const code = await createSignInCode(api.store);
  const { rows } = await api.store.pool.query<{ row: string }>(
    "SELECT to_jsonb(c)::text AS row FROM sign_in_codes c",
  );
  assert.equal(rows.length, 1);
  assert.ok(!rows[0]!.row.includes(code));
});

test("who tries again and again is told to wait", async () => {
  const own = await openApi();
  const code = `bhs_${"y".repeat(43)}`;
  for (let tried = 0; tried < SIGN_INS.limit; tried += 1)
    assertProblem(await signIn(code, own), 401, "sign_in_code_invalid");
  const refused = await signIn(code, own);
  assertProblem(refused, 429, "rate_limited");
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
});

test("a body beyond its bound is refused", async () => {
  const own = await openApi();
  assertProblem(await signIn("x".repeat(2_000), own), 413, "body_too_large");
});
